"""G.711: one byte per sample at 8 kHz, μ-law and A-law, under their names and payload types in RTP.

Companding itself is in ``pcm``; this file says which is which (RFC 3551 sections 4.5.14 and 6).
"""

from collections.abc import Callable
from dataclasses import dataclass

from bot.audio import pcm

SAMPLE_RATE = 8000
FRAME_MS = 20
FRAME_BYTES = SAMPLE_RATE * FRAME_MS // 1000
"""One frame of G.711: 160 bytes."""


@dataclass(frozen=True)
class Codec:
    """``decode`` and ``encode`` turn any number of samples between G.711 bytes and 16-bit PCM bytes.

    ``name`` is Asterisk's, ``silence`` the one byte that decodes to (almost) zero.
    """

    name: str
    payload_type: int
    silence: bytes
    decode: Callable[[bytes], bytes]
    encode: Callable[[bytes], bytes]


ULAW = Codec("ulaw", 0, b"\xff", pcm.ulaw_to_pcm, pcm.pcm_to_ulaw)
ALAW = Codec("alaw", 8, b"\xd5", pcm.alaw_to_pcm, pcm.pcm_to_alaw)
CODECS = {codec.name: codec for codec in (ULAW, ALAW)}
