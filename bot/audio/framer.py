"""Bytes of any length in, whole frames out."""

from collections.abc import Iterator

PCM_FRAME_BYTES = 320
"""20 ms of 16-bit PCM at 8 kHz."""


class Framer:
    """Keeps what does not fill a frame until more comes."""

    def __init__(self, frame_bytes: int = PCM_FRAME_BYTES) -> None:
        self._frame_bytes = frame_bytes
        self._rest = b""

    def push(self, data: bytes) -> Iterator[bytes]:
        """The frames that ``data`` completes. Use up the iterator before the next push."""
        if len(data) == self._frame_bytes and not self._rest:
            yield data
            return
        data = self._rest + data
        whole = len(data) - len(data) % self._frame_bytes
        self._rest = data[whole:]
        for start in range(0, whole, self._frame_bytes):
            yield data[start : start + self._frame_bytes]
