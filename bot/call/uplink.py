"""The way of the caller's voice: datagram → reorder → G.711 → echo → VAD → gate → the model's format. PURE.

Whatever leaves for the model leaves by ``datagram`` or ``tick``, in order; opening the gate adds what it held
to the next of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.audio.conceal import Concealer
from bot.audio.echo import EchoCanceller, EchoParams
from bot.audio.framer import PCM_FRAME_BYTES, Framer
from bot.audio.g711 import Codec
from bot.audio.gate import Gate
from bot.audio.resample import Upsampler
from bot.audio.vad import VadParams
from bot.call.barge_in import BargeInParams
from bot.call.ear import Ear
from bot.call.turns import Input
from bot.errors import RtpError
from bot.rtp.packet import parse
from bot.rtp.reorder import Gap, Reorder

FRAME_SAMPLES = PCM_FRAME_BYTES // 2
SILENCE = bytes(PCM_FRAME_BYTES)


@dataclass(frozen=True, slots=True)
class UplinkParams:
    codec: Codec
    model_codec: Codec | None  # None: PCM16 at 24 kHz
    reorder_ms: int
    vad: VadParams
    barge_in: BargeInParams
    echo: EchoParams | None = None  # None: no canceller


class Uplink:
    """One call's uplink. ``on_voice`` is told SPEECH, COMMIT and QUIET while ``agent_audible``."""

    def __init__(
        self,
        params: UplinkParams,
        on_frame: Callable[[bytes], None] | None = None,
    ) -> None:
        self.gate = Gate()
        self.echo = EchoCanceller(params.echo) if params.echo else None
        self.reorder = Reorder(reorder_ms=params.reorder_ms)
        self.on_voice: Callable[[Input], None] = lambda heard: None
        self.held = False
        self.private = False  # what comes is neither recorded nor heard by anybody
        self.tap: Callable[[bytes], None] | None = None  # is given each frame as the caller sent it
        self.bad = 0
        self.last_voiced: float | None = None
        self._params = params
        self._on_frame = on_frame
        self._concealer = Concealer()
        self._framer = Framer()
        self._ear = Ear(params.vad, params.barge_in, self.echo)
        self._upsampler = Upsampler()
        self._silence_due = 0  # samples
        self._broken = 0  # bytes of a frame that is not whole yet
        self._out: list[bytes] = []
        self._now = 0.0

    def start(self, now: float) -> None:
        self.reorder.start(now)

    def datagram(self, data: bytes, now: float) -> bytes:
        """What one UDP datagram brings for the model, in the model's format; often one frame, or nothing."""
        try:
            packet = parse(data)
        except RtpError:
            self.bad += 1
            return b""
        if packet.payload_type != self._params.codec.payload_type:
            self.bad += 1
            return b""
        self._now = now
        for piece in self.reorder.push(packet, now):
            self._piece(piece)
        return self._take()

    def tick(self, now: float) -> bytes:
        """What the clock alone brings: losses given up on, silence where nothing comes."""
        self._now = now
        for piece in self.reorder.poll(now):
            self._piece(piece)
        return self._take()

    def sent(self, frame: bytes | None) -> None:
        """The G.711 frame that left for the caller in this tick, None for silence: what may come back."""
        if self.echo is not None:
            self.echo.sent(None if frame is None else self._params.codec.decode(frame))

    def open_gate(self) -> None:
        self._out.append(self.gate.open())

    def close_gate(self) -> None:
        self._out.append(self.gate.close())

    def hold_gate(self) -> None:
        self.gate.hold()

    def retune(self, barge_in: BargeInParams) -> None:
        self._ear.retune(barge_in)

    def suspect(self) -> None:
        """The server's VAD heard the caller over the agent; the local one now says what comes of it."""
        self._ear.suspect()

    @property
    def agent_audible(self) -> bool:
        return self._ear.over_agent

    @property
    def heard_for_ms(self) -> int:
        """How long ago the caller was first heard over the agent, in this try at interrupting it."""
        return self._ear.heard_for_ms

    def listen_over_agent(self, audible: bool) -> None:
        """Whether the agent is audible and may be interrupted; a new stretch starts afresh."""
        self._ear.listen_over_agent(audible)

    def quality(self) -> dict[str, Any]:
        """Counts for the record; jitter in milliseconds (RFC 3550 section 6.4.1)."""
        stats = self.reorder.stats
        return {
            "received": stats.received,
            "lost": stats.lost,
            "late": stats.late,
            "reordered": stats.reordered,
            "duplicates": stats.duplicates,
            "bad": self.bad,
            "jitter_ms": round(1000 * stats.jitter, 2),
            "jitter_max_ms": round(1000 * stats.jitter_max, 2),
            "gate_openings": self.gate.openings,
            "gate_closings": self.gate.closings,
            "echo_resets": self.echo.resets if self.echo else 0,
        }

    def _piece(self, piece: bytes | Gap) -> None:
        if not isinstance(piece, Gap):
            pcm = self._concealer.good(self._params.codec.decode(piece))
        elif piece.kind == "lost":
            pcm = self._concealer.lost(piece.samples)
        elif piece.kind == "fed":  # in the middle of a word it fades, as a loss does
            pcm = self._concealer.lost(self._whole(piece.samples))
        else:
            pcm = self._concealer.good(bytes(2 * self._whole(piece.samples)))
        if self._broken and len(pcm) % PCM_FRAME_BYTES == 0 and self._silence_due >= 0:
            pcm = self._mended(pcm)
        self._broken = (self._broken + len(pcm)) % PCM_FRAME_BYTES
        for frame in self._framer.push(pcm):
            self._frame(frame)

    def _whole(self, samples: int) -> int:
        """As much of a silence as makes whole frames; the rest comes with the next."""
        self._silence_due += samples
        whole = max(0, self._silence_due - self._silence_due % FRAME_SAMPLES)
        self._silence_due -= whole
        return whole

    def _mended(self, pcm: bytes) -> bytes:
        """The broken frame is filled up, or every later packet would wait in it for the next one. The next
        silence is that much shorter; until then no other is filled up: the model's clock would run ahead."""
        missing = PCM_FRAME_BYTES - self._broken
        self._silence_due -= missing // 2
        return bytes(missing) + pcm

    def _frame(self, frame: bytes) -> None:
        if self.private:
            frame = SILENCE
        if self._on_frame is not None:
            self._on_frame(frame)
        if self.tap is not None:
            self.tap(frame)
        if self.held:
            frame = SILENCE
        heard = self._ear.process(frame)
        if heard.voiced:
            self.last_voiced = self._now
        if heard.decided is not None:
            self.on_voice(heard.decided)
        self._out.append(self.gate.push(heard.frame))

    def _take(self) -> bytes:
        if not self._out:
            return b""
        pcm = b"".join(self._out)
        self._out.clear()
        codec = self._params.model_codec
        return self._upsampler.process(pcm) if codec is None else codec.encode(pcm)
