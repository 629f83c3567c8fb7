"""The uplink as a whole: what comes out for what datagrams, in the model's format."""

import numpy as np
import pytest

from bot.audio.g711 import ALAW, ULAW, Codec
from bot.audio.vad import VadParams
from bot.call.barge_in import BargeInParams
from bot.call.uplink import Uplink, UplinkParams
from bot.rtp.sender import RtpSender

FRAME_S = 0.02


def uplink(codec: Codec = ULAW, model_codec: Codec | None = ULAW) -> Uplink:
    made = Uplink(UplinkParams(codec, model_codec, 40, VadParams(), BargeInParams()))
    made.start(0.0)
    return made


def sender(payload_type: int = 0) -> RtpSender:
    return RtpSender(payload_type, ssrc=1, sequence=0, timestamp=0)


def tone(n: int, samples: int = 160) -> bytes:
    """Frame ``n`` of a stream in which every frame is another value."""
    return ULAW.encode(np.full(samples, 200 * (n % 100 + 1), "<i2").tobytes())


@pytest.mark.parametrize("lateness", [0.0, 0.003, 0.011, 0.0199])
def test_every_packet_goes_up_at_once_wherever_the_first_one_fell(lateness: float) -> None:
    """The first packet after the start is often trimmed; later ones must not wait for each other for that."""
    up, out = uplink(), sender()
    for n in range(50):
        now = n * FRAME_S + lateness
        up.tick(now)
        went_up = up.datagram(out.packet(tone(n)), now)
        if n > 1:
            assert went_up == tone(n)


def test_after_a_silence_of_any_length_packets_go_up_at_once_again() -> None:
    up, out, total = uplink(), sender(), 0
    now = 0.0
    for gap in (0, 77, 1234, 8001, 16000):
        out.skip(gap)
        now += gap / 8000
        for n in range(20):
            now += FRAME_S
            total += len(up.tick(now)) + len(up.datagram(out.packet(tone(n)), now))
            if n > 2:
                assert up.datagram(b"", now) == b""
    spoken = 100 * 160 + 77 + 1234 + 8001 + 16000
    assert abs(total - spoken) <= 320, "and the model's clock is the caller's"


@pytest.mark.parametrize("samples", [80, 160, 240, 320, 480])
def test_any_ptime(samples: int) -> None:
    up, out = uplink(), sender()
    got = b"".join(up.datagram(out.packet(tone(n, samples)), (n + 1) * samples / 8000) for n in range(48))
    assert abs(len(got) - 48 * samples) <= 320


@pytest.mark.parametrize(("codec", "model_codec"), [(ULAW, ALAW), (ALAW, ULAW), (ALAW, ALAW), (ULAW, None)])
def test_any_pair_of_formats(codec: Codec, model_codec: Codec | None) -> None:
    up, out = uplink(codec, model_codec), sender(codec.payload_type)
    pcm = np.full(160, 3000, "<i2").tobytes()
    got = b"".join(up.datagram(out.packet(codec.encode(pcm)), (n + 1) * FRAME_S) for n in range(20))
    heard = np.frombuffer(got if model_codec is None else model_codec.decode(got), "<i2")
    assert abs(int(np.median(heard)) - 3000) < 150


def test_what_is_no_packet_of_ours_is_counted() -> None:
    up, out = uplink(), sender(payload_type=9)
    assert up.datagram(b"", 0.1) == up.datagram(b"\x80", 0.1) == up.datagram(out.packet(tone(1)), 0.1) == b""
    assert up.bad == 3
