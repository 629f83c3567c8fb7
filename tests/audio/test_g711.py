import math

import numpy as np
import pytest

from bot.audio.g711 import ALAW, CODECS, FRAME_BYTES, ULAW, Codec


@pytest.mark.parametrize("codec", [ULAW, ALAW])
def test_silence_is_one_byte_that_decodes_to_nothing_audible(codec: Codec) -> None:
    (sample,) = np.frombuffer(codec.decode(codec.silence), "<i2")
    assert abs(sample) <= 8
    assert codec.encode(bytes(2)) == codec.silence


@pytest.mark.parametrize("codec", [ULAW, ALAW])
def test_every_code_survives_a_round_trip(codec: Codec) -> None:
    codes = bytes(range(256))
    again = codec.encode(codec.decode(codes))
    assert codec.decode(again) == codec.decode(codes)  # μ-law has two zeros


@pytest.mark.parametrize("codec", [ULAW, ALAW])
def test_quantisation_noise_is_that_of_g711(codec: Codec) -> None:
    tone = np.rint(8000 * np.sin(np.arange(8000) * 0.7)).astype("<i2")
    noise = np.frombuffer(codec.decode(codec.encode(tone.tobytes())), "<i2") - tone.astype(float)
    assert 36 < 20 * math.log10(tone.std() / noise.std()) < 41


def test_known_codes() -> None:
    """Full scale and its sign, from the tables of G.711."""
    full = np.array([32767, -32768], "<i2").tobytes()
    assert ULAW.encode(full) == b"\x80\x00"
    assert ALAW.encode(full) == b"\xaa\x2a"


def test_names_and_payload_types_are_those_of_rfc_3551() -> None:
    assert {codec.name: codec.payload_type for codec in CODECS.values()} == {"ulaw": 0, "alaw": 8}
    assert FRAME_BYTES == 160
