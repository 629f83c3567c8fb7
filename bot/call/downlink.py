"""The way of the agent's voice: the model's audio → 8 kHz → G.711 → playout → RTP packets. PURE."""

from collections.abc import Callable
from typing import Any

from bot.audio.g711 import Codec
from bot.audio.playout import Playout
from bot.audio.resample import Downsampler
from bot.rtp.sender import RtpSender

FRAME_BYTES = 160


class Downlink:
    """One call's downlink. ``model_codec`` None: the model sends PCM16 at 24 kHz. ``on_frame`` is given each
    G.711 frame that leaves, silence included."""

    def __init__(
        self,
        codec: Codec,
        model_codec: Codec | None,
        sender: RtpSender,
        on_frame: Callable[[bytes], None] | None = None,
    ) -> None:
        self.playout = Playout(codec)
        self._on_frame = on_frame
        self.codec = codec
        self._model_codec = model_codec
        self._sender = sender
        self._silence = codec.silence * FRAME_BYTES
        self._downsampler = Downsampler()
        self._item_id = ""
        self.muted = False  # silence leaves in place of the agent's voice, which goes on

    def audio(self, item_id: str, data: bytes) -> None:
        """A stretch of the model's audio, of any length."""
        if item_id != self._item_id:
            self.end()
            self._item_id = item_id
        if self._model_codec is None:
            data = self.codec.encode(self._downsampler.process(data))
        elif self._model_codec is not self.codec:
            data = self.codec.encode(self._model_codec.decode(data))
        self.playout.append(item_id, data)

    def recorded(self, item_id: str, g711: bytes) -> None:
        """A whole item in the phone's codec already."""
        self.playout.append(item_id, g711)
        self.playout.end(item_id)

    def end(self) -> None:
        """The current item brings no more audio."""
        if not self._item_id:
            return
        if self._model_codec is None and (tail := self._downsampler.flush()):
            self.playout.append(self._item_id, self.codec.encode(tail))
        self.playout.end(self._item_id)
        self._item_id = ""

    def cut(self) -> None:
        """Drop all that is queued; what was received of the current item is over."""
        self._downsampler.flush()
        self._item_id = ""
        self.playout.flush()

    def tick(self) -> tuple[bytes, bytes | None]:
        """One RTP packet for this 20 ms, and the frame of the agent's voice in it, None for silence.

        Silence is sent between talkspurts: trunks and NAT bindings stay alive by it.
        """
        frame = self.playout.next_frame()
        if self.muted:
            frame = None
        payload = self._silence if frame is None else frame.payload
        if self._on_frame is not None:
            self._on_frame(payload)
        marker = frame is not None and frame.marker
        return self._sender.packet(payload, marker=marker), None if frame is None else payload

    def quality(self) -> dict[str, Any]:
        """Counts for the record."""
        stats = self.playout.stats
        return {
            "underruns": stats.underruns,
            "refused_ms": stats.refused_ms,
            "flushed_ms": stats.flushed_ms,
        }
