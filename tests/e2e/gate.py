"""A door before a server: it passes connections until it is shut, and keeps what clients sent."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit


class Gate:
    """``with Gate(model.url) as gate: gate.url``; after ``gate.shut()`` nobody new gets in. ``sent``: what
    clients sent, connection by connection."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self.sent: list[bytearray] = []
        self._clients: list[socket.socket] = []
        self._inside = (where.hostname or "127.0.0.1", where.port or 80)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = where._replace(netloc=f"127.0.0.1:{self._server.getsockname()[1]}").geturl()
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_: object) -> None:
        self.shut()

    def shut(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def cut(self, connection: int = -1) -> None:
        """End one connection, as a network would: the latest, or by its number."""
        with contextlib.suppress(OSError, IndexError):
            self._clients[connection].shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                inside = socket.create_connection(self._inside)
                self.sent.append(bytearray())
                self._clients.append(client)
                for source, target, kept in ((client, inside, self.sent[-1]), (inside, client, bytearray())):
                    threading.Thread(target=_pump, args=(source, target, kept), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            kept += data
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
