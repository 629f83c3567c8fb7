"""Bytes of any length in, whole frames out."""

from collections.abc import Sequence

PCM_FRAME_BYTES = 320
"""20 ms of 16-bit PCM at 8 kHz."""


class Framer:
    """Keeps what does not fill a frame until more comes."""

    def __init__(self, frame_bytes: int = PCM_FRAME_BYTES) -> None:
        self._frame_bytes = frame_bytes
        self._rest = b""

    def push(self, data: bytes) -> Sequence[bytes]:
        """The frames that ``data`` completes."""
        size = self._frame_bytes
        if len(data) == size and not self._rest:
            return (data,)
        data = self._rest + data
        whole = len(data) - len(data) % size
        self._rest = data[whole:]
        return [data[start : start + size] for start in range(0, whole, size)]
