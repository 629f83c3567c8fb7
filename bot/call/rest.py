"""The line while no talk has it: nobody is heard and nobody speaks, but its time goes on.

Without it the time in which a destination rings would come at once for whoever has the line next, and would
be missing from one track of the recording. PURE.
"""

from collections.abc import Callable

from bot.call.downlink import Downlink
from bot.call.uplink import Uplink


class Rest:
    """``tick`` it every 20 ms in place of a conversation; ``failed`` is the call's own."""

    def __init__(
        self,
        uplink: Uplink,
        downlink: Downlink,
        send_packet: Callable[[bytes], None],
        failed: Callable[[], None],
    ) -> None:
        self.failed = failed
        self._uplink = uplink
        self._downlink = downlink
        self._send_packet = send_packet

    def begin(self) -> None:
        """What the last talk left unsaid is over."""
        self._downlink.cut()

    def tick(self, now: float) -> None:
        packet, frame = self._downlink.tick()
        self._send_packet(packet)
        self._uplink.sent(frame)
        self._uplink.tick(now)

    def datagram(self, data: bytes, now: float) -> None:
        self._uplink.datagram(data, now)
