"""When the bot's own packets left its socket, by the kernel's clock: an ear on the loopback interface.

Needs ``CAP_NET_RAW`` (packet(7)); the stamps are those of ``SO_TIMESTAMPNS`` (socket(7)), brought to
``time.monotonic``.
"""

import socket
import struct
import threading
import time
from collections import defaultdict
from typing import NamedTuple, Self

SO_TIMESTAMPNS = 35
ETH_P_IP = 0x0800
LOOPBACK_HEADER = 14
UDP, UDP_HEADER, RTP_HEADER = 17, 8, 12
LONGEST = 2048


class Left(NamedTuple):
    """An RTP packet that left: when, and its G.711."""

    time: float
    payload: bytes


class Wire:
    """``with Wire(first, last) as wire``: RTP from UDP ports of that range, in ``wire.streams`` by port.

    Raises PermissionError where the kernel does not let us listen.
    """

    def __init__(self, first_port: int, last_port: int) -> None:
        self.streams: defaultdict[int, list[Left]] = defaultdict(list)
        self._ports = range(first_port, last_port + 1)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
        self._socket.bind(("lo", ETH_P_IP))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.settimeout(0.2)
        self._ahead = time.time() - time.monotonic()
        self._over = False
        self._thread = threading.Thread(target=self._read, name="wire", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._thread.join()
        self._socket.close()

    def _read(self) -> None:
        while not self._over:
            try:
                frame, stamps, _, _ = self._socket.recvmsg(LONGEST, 64)
            except TimeoutError:
                continue
            packet = frame[LOOPBACK_HEADER:]
            header = (packet[0] & 0x0F) * 4
            source = int.from_bytes(packet[header : header + 2], "big")
            if packet[9] == UDP and source in self._ports and stamps:
                seconds, nanoseconds = struct.unpack("qq", stamps[0][2])
                payload = packet[header + UDP_HEADER + RTP_HEADER :]
                self.streams[source].append(Left(seconds + nanoseconds / 1e9 - self._ahead, payload))
