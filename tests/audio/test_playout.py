import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bot.audio.g711 import ALAW, ULAW, Codec
from bot.audio.playout import Frame, Heard, Playout


def tone(ms: int, codec: Codec = ULAW, hz: float = 200, peak: float = 12000) -> bytes:
    wave = peak * np.sin(2 * np.pi * hz * np.arange(ms * 8) / 8000)
    return codec.encode(np.rint(wave).astype("<i2").tobytes())


def frames(playout: Playout, count: int) -> list[Frame | None]:
    return [playout.next_frame() for _ in range(count)]


def sound(got: list[Frame | None], codec: Codec = ULAW) -> NDArray[np.float64]:
    """What the caller hears, silence where there was no frame."""
    payload = b"".join(f.payload if f else codec.silence * 160 for f in got)
    return np.frombuffer(codec.decode(payload), "<i2").astype(float)


def steepest(samples: NDArray[np.float64]) -> float:
    return float(np.abs(np.diff(samples)).max())


def test_nothing_to_play_is_none() -> None:
    playout = Playout(ULAW)
    assert playout.next_frame() is None
    assert playout.idle


def test_frames_are_the_audio_and_the_marker_starts_each_talkspurt() -> None:
    playout = Playout(ULAW)
    audio = tone(60)
    playout.append("a", audio)
    playout.end("a")
    got = frames(playout, 4)
    assert b"".join(f.payload for f in got if f)[:440] == audio[:440]  # then it fades
    assert [f.marker if f else None for f in got] == [True, False, False, None]
    playout.append("b", audio)
    assert frames(playout, 2) == [Frame(audio[:160], True), Frame(audio[160:320], False)]


def test_idle_only_when_the_last_frame_has_been_heard() -> None:
    playout = Playout(ULAW)
    playout.append("a", tone(20))
    playout.end("a")
    assert not playout.idle
    playout.next_frame()
    assert playout.queued_ms == 0 and not playout.idle
    assert playout.next_frame() is None
    assert playout.idle


def test_thirty_seconds_in_a_burst_lose_nothing() -> None:
    playout = Playout(ULAW)
    audio = np.random.default_rng(1).bytes(240_000)
    for start in range(0, len(audio), 1237):
        assert playout.append("a", audio[start : start + 1237]) == 0
    playout.end("a")
    got = frames(playout, 1501)
    assert b"".join(f.payload for f in got if f)[:-40] == audio[:-40]
    assert playout.stats.underruns == 0
    assert playout.played_ms("a") == playout.received_ms("a") == 30_000


def test_the_queue_is_bounded_by_time_and_says_so() -> None:
    playout = Playout(ULAW, max_ms=1000)
    assert playout.append("a", tone(900)) == 0
    assert playout.append("a", tone(300)) == 200 * 8
    assert (playout.queued_ms, playout.received_ms("a"), playout.stats.refused_ms) == (1000, 1000, 200)


def test_items_follow_each_other_without_a_hole() -> None:
    playout = Playout(ULAW)
    audio = tone(90)
    playout.append("a", audio[:300])
    playout.append("b", audio[300:])
    playout.end("b")
    got = frames(playout, 5)
    assert b"".join(f.payload for f in got if f)[:680] == audio[:680]  # of 720
    assert [(playout.played_ms(i), playout.received_ms(i)) for i in "ab"] == [(37, 37), (52, 52)]
    assert list(playout.unheard()) == []


def test_what_is_not_heard_to_its_end_is_known() -> None:
    playout = Playout(ULAW)
    playout.append("a", tone(20))
    playout.append("b", tone(60))
    playout.append("c", tone(40))
    frames(playout, 2)
    assert list(playout.unheard()) == [Heard("b", 20, 60), Heard("c", 0, 40)]
    playout.flush()
    assert list(playout.unheard()) == []


def test_position_counts_only_audio_handed_out() -> None:
    playout = Playout(ULAW)
    playout.append("a", tone(1000))
    frames(playout, 7)
    assert (playout.played_ms("a"), playout.received_ms("a"), playout.queued_ms) == (140, 1000, 860)
    assert (playout.played_ms("b"), playout.received_ms("b")) == (0, 0)


def test_more_audio_after_the_end_is_still_played() -> None:
    playout = Playout(ULAW)
    playout.append("a", tone(20))
    playout.end("a")
    frames(playout, 2)
    playout.append("a", tone(20))
    assert playout.next_frame() is not None
    assert playout.played_ms("a") == 40


def test_pause_is_silence_within_a_frame_and_resume_goes_on_there() -> None:
    playout = Playout(ULAW)
    audio = tone(1000, hz=330)
    playout.append("a", audio)
    before = frames(playout, 5)
    playout.pause()
    paused = frames(playout, 10)
    assert sum(f is not None for f in paused) == 1
    assert playout.played_ms("a") == 105
    assert not playout.idle
    playout.resume()
    after = frames(playout, 5)
    assert after[0] and after[0].marker
    assert b"".join(f.payload for f in after if f)[40:] == audio[880:1640]
    assert steepest(sound(before + paused + after)) < 1.1 * steepest(sound([*before]))


@pytest.mark.parametrize("codec", [ULAW, ALAW])
@pytest.mark.parametrize("played", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("act", ["pause", "flush"])
def test_no_cut_clicks(codec: Codec, played: int, act: str) -> None:
    playout = Playout(codec)
    playout.append("a", tone(1000, codec, hz=330))
    before = frames(playout, played)
    getattr(playout, act)()
    after = frames(playout, 3)
    assert np.abs(sound(after, codec)[40:]).max() <= 8
    assert steepest(sound(before + after, codec)) < 1.1 * 12000 * 2 * np.pi * 330 / 8000


@pytest.mark.parametrize("act", ["pause", "flush"])
@pytest.mark.parametrize("ms", [20, 40, 60])
def test_no_cut_clicks_when_nothing_is_queued(act: str, ms: int) -> None:
    """The sound goes out with its own last 5 ms, backwards, which are not counted as played."""
    playout = Playout(ULAW)
    playout.append("a", tone(ms, hz=330))
    before = frames(playout, ms // 20)
    getattr(playout, act)()
    after = frames(playout, 3)
    assert playout.played_ms("a") == ms
    assert np.abs(sound(after)[40:]).max() <= 8
    assert steepest(sound(before + after)) < 1.1 * 12000 * 2 * np.pi * 330 / 8000


def test_flush_drops_what_is_queued_and_what_still_comes() -> None:
    playout = Playout(ULAW)
    playout.append("a", tone(1000))
    frames(playout, 10)
    playout.flush()
    assert playout.played_ms("a") == 205
    assert playout.append("a", tone(100)) == 800
    assert (playout.queued_ms, playout.stats.flushed_ms) == (0, 795 + 100)
    assert [f is not None for f in frames(playout, 3)] == [True, False, False]
    assert playout.idle
    playout.append("b", tone(40))
    assert playout.next_frame() == Frame(tone(40)[:160], True)


def test_flush_ends_a_pause() -> None:
    playout = Playout(ULAW)
    playout.append("a", tone(100))
    frames(playout, 2)
    playout.pause()
    frames(playout, 2)
    playout.flush()
    assert playout.idle and not playout.paused
    playout.append("b", tone(40))
    assert playout.next_frame()


@pytest.mark.parametrize("ms", [40, 47, 50, 59])
def test_an_under_run_fades_waits_for_60_ms_and_fades_in(ms: int) -> None:
    playout = Playout(ULAW)
    audio = tone(ms + 200)
    playout.append("a", audio[: ms * 8])
    heard = frames(playout, 5)
    assert playout.stats.underruns == 1
    playout.append("a", audio[ms * 8 : ms * 8 + 320])
    assert frames(playout, 3) == [None] * 3
    playout.append("a", audio[ms * 8 + 320 :])
    playout.end("a")
    after = frames(playout, 12)
    assert after[0] and after[0].marker
    assert playout.played_ms("a") == ms + 200
    assert playout.stats.underruns == 1
    assert steepest(sound(heard + after)) < 1.1 * 12000 * 2 * np.pi * 200 / 8000


def test_the_end_of_the_item_ends_the_wait() -> None:
    playout = Playout(ULAW)
    playout.append("a", tone(20))
    frames(playout, 3)
    playout.append("a", tone(20))
    assert playout.next_frame() is None
    playout.end("a")
    assert playout.next_frame() is not None
    assert playout.stats.underruns == 1


def test_an_item_without_audio_is_no_under_run() -> None:
    playout = Playout(ULAW)
    playout.append("a", b"")
    assert playout.next_frame() is None
    assert playout.stats.underruns == 0
    assert playout.idle


def test_positions_are_remembered_for_a_bounded_number_of_items() -> None:
    playout = Playout(ULAW)
    for n in range(1000):
        playout.append(str(n), tone(20))
        playout.end(str(n))
        playout.next_frame()
    assert playout.played_ms("999") == 20
    assert sum(playout.received_ms(str(n)) > 0 for n in range(1000)) <= 256


ACTS = st.one_of(
    st.tuples(st.just("append"), st.sampled_from("abc"), st.integers(0, 2000)),
    st.tuples(st.just("end"), st.sampled_from("abc"), st.just(0)),
    st.tuples(st.just("play"), st.just(""), st.integers(1, 20)),
    st.tuples(st.sampled_from(["pause", "resume", "flush"]), st.just(""), st.just(0)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(ACTS, max_size=60))
def test_whatever_happens_every_byte_is_accounted_for(acts: list[tuple[str, str, int]]) -> None:
    playout, appended, generation = Playout(ULAW, max_ms=2000), 0, 0
    for act, item, n in acts:
        if act == "append":
            appended += n - playout.append(f"{item}{generation}", tone(2000)[:n])
        elif act == "end":
            playout.end(f"{item}{generation}")
        elif act == "play":
            for frame in frames(playout, n):
                assert frame is None or len(frame.payload) == 160
        else:
            getattr(playout, act)()
            generation += act == "flush"
        names = [f"{letter}{g}" for letter in "abc" for g in range(generation + 1)]
        assert all(playout.played_ms(name) <= playout.received_ms(name) for name in names)
        assert sum(playout.received_ms(name) for name in names) <= appended / 8
        assert all(h.played_ms <= h.received_ms for h in playout.unheard())
        assert playout.queued_ms <= 2000
    playout.resume()
    for item in "abc":
        playout.end(f"{item}{generation}")
    frames(playout, 200)
    assert playout.idle
    for item in "abc":
        name = f"{item}{generation}"
        assert playout.played_ms(name) == playout.received_ms(name)
