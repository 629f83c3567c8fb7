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


def test_packets_of_odd_lengths_do_not_make_the_clock_run_ahead() -> None:
    up, out = uplink(), sender()
    sent = went_up = 0
    for n in range(500):
        samples = 150 if n % 7 == 0 else 160
        sent += samples
        went_up += len(up.datagram(out.packet(tone(n, samples)), sent / 8000))
    assert sent - 160 <= went_up < sent + 160


def test_what_is_no_packet_of_ours_is_counted() -> None:
    up, out = uplink(), sender(payload_type=9)
    assert up.datagram(b"", 0.1) == up.datagram(b"\x80", 0.1) == up.datagram(out.packet(tone(1)), 0.1) == b""
    assert up.bad == 3


def levels(lost: range) -> list[float]:
    """RMS per frame of what a vowel becomes when some of its packets are lost, from the last whole one on."""
    up, out = uplink(), sender()
    time = np.arange(8000) / 8000
    vowel = sum(np.sin(2 * np.pi * 150 * n * time + n) / n for n in range(1, 6))
    pcm = np.rint(4000 * np.asarray(vowel)).astype("<i2").tobytes()
    got = b""
    for n in range(50):
        packet, now = out.packet(ULAW.encode(pcm[320 * n : 320 * (n + 1)])), (n + 1) * FRAME_S
        got += up.tick(now)
        got += up.datagram(packet, now) if n not in lost else b""
    heard = np.frombuffer(ULAW.decode(got), "<i2").astype(float)[(lost.start - 1) * 160 :]
    return [float(np.sqrt(np.mean(frame**2))) for frame in heard.reshape(-1, 160)]


@pytest.mark.parametrize("packets", [1, 2, 4, 6, 12])
def test_a_burst_of_losses_fades_once_and_does_not_come_back(packets: int) -> None:
    before, *within = levels(range(20, 20 + packets))[: packets + 1]
    after = levels(range(20, 20 + packets))[packets + 1]
    assert within[0] > 0.8 * before
    assert within == sorted(within, reverse=True)
    assert not any(within[3:])
    assert after > 0.9 * before


def test_a_stop_in_the_middle_of_a_voice_fades() -> None:
    before, *heard = levels(range(20, 50))
    assert before > heard[0] > heard[1] > heard[2] > 0
    assert not any(heard[3:])
