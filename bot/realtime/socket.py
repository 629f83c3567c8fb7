"""A client WebSocket without a task: messages arrive by callback, and leave when they are sent.

The protocol itself is the ``websockets`` package's (its Sans-I/O layer, RFC 6455); this file only shuttles
bytes between it and a transport. A call sends 50 messages a second, and a task, a queue and a lock for
each of them would cost more than all its audio.
"""

import asyncio
import secrets
import ssl
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import cast
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from bot.errors import ModelError

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the compiled part
    from websockets.utils import apply_mask

MAX_MESSAGE = 16 * 2**20
#: Outgoing bytes that may wait for a slow peer: about 10 s of 24 kHz audio. Past that it counts as dead.
MAX_BACKLOG = 2**20
PING_EVERY_S = 20.0
PONG_WITHIN_S = 10.0


class WebSocket(asyncio.Protocol):
    """One connection. Build it with ``connect``; ``closed`` is done when it is over."""

    def __init__(self, protocol: ClientProtocol, on_message: Callable[[bytes], None]) -> None:
        loop = asyncio.get_running_loop()
        self.on_message = on_message
        self._protocol = protocol
        self._parts: list[bytes] = []
        self._heard = False
        self._open = False
        self._transport: asyncio.Transport | None = None
        self.opened: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()

    @property
    def close_code(self) -> int:
        """The peer's code; 1006 when it said none (RFC 6455 section 7.1.5)."""
        received = self._protocol.close_rcvd
        return received.code if received else CloseCode.ABNORMAL_CLOSURE

    @property
    def close_reason(self) -> str:
        received = self._protocol.close_rcvd
        return received.reason if received else ""

    def send(self, message: bytes) -> None:
        """Send one text message now; dropped once the connection is closing, which ``closed`` tells."""
        if self._open and self._transport is not None and not self._transport.is_closing():
            self._transport.write(_text_frame(message))  # uvloop's raises once it is closing

    async def keep_alive(self) -> None:
        """Ping a silent peer, give up on one that does not answer; return when the connection is over."""
        wait = PING_EVERY_S
        while not self.closed.done():
            self._heard = False
            await asyncio.wait([self.closed], timeout=wait)
            if self._heard or self.closed.done():
                wait = PING_EVERY_S
            elif wait == PING_EVERY_S:
                self._protocol.send_ping(b"")
                self._flush()
                wait = PONG_WITHIN_S
            elif self._transport is not None:
                self._transport.abort()
                wait = PING_EVERY_S

    async def close(self, timeout: float = 1.0) -> None:
        """Say goodbye and wait for the answer, but not for long."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            self._flush()
            await asyncio.wait([self.closed], timeout=timeout)
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------------ asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._transport.set_write_buffer_limits(high=MAX_BACKLOG)

    def pause_writing(self) -> None:
        """More than ``MAX_BACKLOG`` waits."""
        assert self._transport is not None
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._heard = True
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._handshake_over()
            elif isinstance(event, Frame):
                self._frame(event)
        self._flush()

    def eof_received(self) -> None:
        """Whoever says no goodbye gets none: asyncio closes the transport after this."""
        self._protocol.receive_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open = False
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionResetError("closed during the handshake"))
        if not self.closed.done():
            self.closed.set_result(None)

    # ------------------------------------------------------------------ inside

    def request(self, headers: Mapping[str, str]) -> None:
        handshake = self._protocol.connect()
        for name, value in headers.items():
            handshake.headers[name] = value
        self._protocol.send_request(handshake)
        self._flush()

    def _handshake_over(self) -> None:
        if self.opened.done():
            return
        if self._protocol.handshake_exc is None:
            self.opened.set_result(None)
        else:
            self.opened.set_exception(self._protocol.handshake_exc)

    def _frame(self, frame: Frame) -> None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        if frame.fin and not self._parts:
            self.on_message(bytes(frame.data))
            return
        self._parts.append(bytes(frame.data))
        if frame.fin:
            message, self._parts = b"".join(self._parts), []
            self.on_message(message)

    def _flush(self) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            return
        self._open = self._protocol.state is State.OPEN
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()
        if self._protocol.state is State.CLOSED or self._protocol.close_rcvd is not None:
            self._transport.close()


def _mask_keys() -> Iterator[bytes]:
    """Unpredictable keys (RFC 6455 section 10.3), a thousand for one system call."""
    while True:
        pool = secrets.token_bytes(4096)
        for at in range(0, len(pool), 4):
            yield pool[at : at + 4]


_MASK_KEYS = _mask_keys()


def _text_frame(message: bytes) -> bytes:
    """A whole message as a client's frame (RFC 6455 sections 5.2 and 5.3).

    Written here because the package asks the kernel for each key: a tenth of all the CPU time of a call.
    """
    size, key = len(message), next(_MASK_KEYS)
    if size < 126:
        head = struct.pack("!BB", 0x81, 0x80 | size)
    elif size < 2**16:
        head = struct.pack("!BBH", 0x81, 0xFE, size)
    else:
        head = struct.pack("!BBQ", 0x81, 0xFF, size)
    return head + key + apply_mask(message, key)


async def connect(
    url: str, headers: Mapping[str, str], on_message: Callable[[bytes], None], timeout: float
) -> WebSocket:
    """Open a WebSocket; compression stays off, since base64 audio does not shrink enough to pay for it.

    Raises ModelError when the peer is absent, slow, or answers the handshake with an error.
    """
    where = urlsplit(url)
    secure = where.scheme == "wss"
    port = where.port or (443 if secure else 80)
    host = f"{where.hostname}:{port}"  # not its user and password, if it has any
    loop = asyncio.get_running_loop()
    socket = None
    connected = False
    try:
        async with asyncio.timeout(timeout):
            _, socket = await loop.create_connection(
                lambda: WebSocket(ClientProtocol(parse_uri(url), max_size=MAX_MESSAGE), on_message),
                where.hostname or "",
                port,
                ssl=_tls() if secure else None,
            )
            socket.request(headers)
            await socket.opened
            connected = True
            return socket
    except InvalidStatus as error:
        raise _refused(error.response.status_code, host) from error
    except TimeoutError as error:
        raise ModelError(f"the model at {host} did not answer within {timeout:g} s", retry=True) from error
    except (OSError, WebSocketException) as error:
        raise ModelError(
            f"cannot reach the model at {host} ({error})",
            remedy="check openai.base_url and the network",
            retry=True,
        ) from error
    finally:
        if socket is not None and not connected:
            await socket.close(0)


@cache
def _tls() -> ssl.SSLContext:
    """Once: it reads the machine's certificates, which takes longer than a frame."""
    return ssl.create_default_context()


def _refused(status: int, host: str) -> ModelError:
    remedies = {
        401: "check openai.api_key (or OPENAI_API_KEY)",
        403: "this key may not use this model or region",
        404: "check openai.base_url and openai.model",
        429: "the account is out of quota or rate limited",
    }
    return ModelError(
        f"the model at {host} refused the connection with HTTP {status}",
        remedy=remedies.get(status, ""),
        retry=status == 429 or status >= 500,
    )
