"""The judge against what was really said, the replay against the live uplink."""

from collections.abc import Callable

import numpy as np
import pytest

from bot.audio.echo import EchoCanceller, EchoParams
from bot.audio.g711 import ULAW
from bot.call.brief import uplink_params
from bot.call.ear import Ear
from bot.call.turns import Input
from bot.call.uplink import Uplink
from bot.config.settings import BargeIn, Settings, Vad
from bot.rtp.sender import RtpSender
from bot.tune.cancelled import ESTIMATE_EVERY, Playback, cancel
from bot.tune.recording import FRAME, FRAMES_A_SECOND, Recording
from bot.tune.reference import Reference, judge
from bot.tune.replay import Outcome, agent_turns, replay
from bot.tune.spans import widened
from tests.tune.sample_call import Said, SampleCall, Signal, sample_call

pytestmark = pytest.mark.speech


def nothing() -> None:
    pass


def frames(samples: Signal) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    return samples[: len(samples) // FRAME * FRAME].astype("<i2").reshape(-1, FRAME)


def recorded(call: SampleCall, *, agent: bool = True) -> Recording:
    return Recording(frames(call.caller), frames(call.agent) if agent else None)


def judged(recording: Recording) -> Reference:
    canceller = EchoCanceller(EchoParams())
    cancel(recording, canceller, nothing)
    return judge(cancel(recording, canceller, nothing))


def heard(recording: Recording, settings: Settings) -> Outcome:
    agent = agent_turns(recording, judged(recording))
    cancelled = cancel(recording, EchoCanceller(EchoParams()), nothing)
    return replay("", recording, cancelled, agent, settings, nothing)


def spoken_frames(count: int, *all_said: Said) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """As mixed in: frames within 25 dB of the loudest."""
    out = np.zeros(count, bool)
    for said in all_said:
        level = np.sqrt((said.sound.reshape(-1, FRAME) ** 2).mean(axis=1))
        start = round(said.at_s * FRAMES_A_SECOND)
        out[start : start + len(level)] = level > level.max() * 10 ** (-25 / 20)
    return out


@pytest.mark.parametrize("echo_db", [None, -12.0, -6.0])
def test_the_judge_finds_what_was_said_and_no_echo(echo_db: float | None) -> None:
    call = sample_call(echo_db=echo_db)
    found = judged(recorded(call))
    truth = spoken_frames(len(found.speech), call.answer, call.interruption)
    assert found.speech[truth].mean() > 0.7
    assert found.speech[~widened(truth, 5)].sum() <= 3
    assert len(found.utterances) <= 4


def test_a_silent_caller_has_no_speech() -> None:
    assert judged(recorded(sample_call(caller_rms=0))).utterances == []


def test_neither_noise_nor_coughs_are_speech() -> None:
    rng = np.random.default_rng(1)
    samples = 30 * rng.standard_normal(10 * 8000)
    for start in (20000, 24000, 50000):
        cough = np.convolve(rng.standard_normal(1600), np.hanning(6), "same") * np.linspace(3000, 0, 1600)
        samples[start : start + 1600] += cough
    assert judged(Recording(frames(samples), None)).utterances == []


def on_the_line(recording: Recording, uplink: Uplink, record: Callable[[int], None]) -> None:
    """Play the recording into a live uplink, a packet a tick."""
    assert recording.agent is not None and uplink.echo is not None
    sender = RtpSender(payload_type=0, ssrc=1, sequence=0, timestamp=0)
    uplink.start(0.0)
    uplink.listen_over_agent(True)
    for n, (near, far) in enumerate(zip(recording.caller, recording.agent, strict=True)):
        uplink.sent(ULAW.encode(far.tobytes()))
        record(n)
        uplink.datagram(sender.packet(ULAW.encode(near.tobytes()), marker=False), (n + 1) / FRAMES_A_SECOND)
        if n % ESTIMATE_EVERY == 0 and uplink.echo.delays.due:
            delay = uplink.echo.delays.estimate()
            if delay is not None:
                uplink.echo.set_delay(delay)


def test_a_replay_hears_what_the_live_uplink_hears() -> None:
    recording = recorded(sample_call())
    params = uplink_params(Settings(), BargeIn())
    live: list[tuple[int, Input]] = []
    at = [0]
    uplink = Uplink(params)
    uplink.on_voice = lambda decided: live.append((at[0], decided))
    on_the_line(recording, uplink, lambda n: at.__setitem__(0, n))
    kept = Playback(cancel(recording, EchoCanceller(EchoParams()), nothing))
    ear = Ear(params.vad, params.barge_in, kept)
    ear.listen_over_agent(True)
    heard = [(n, ear.process(near.tobytes()).decided) for n, near in enumerate(recording.caller)]
    decided = [(n, one) for n, one in heard if one is not None]
    assert len(live) >= 4
    assert [one for _, one in decided] == [one for _, one in live]
    # The line rounds to G.711 and starts a packet later.
    assert all(abs(n - m) <= 2 for (n, _), (m, _) in zip(decided, live, strict=True))


def test_the_gate_follows_the_agent_and_the_interruption() -> None:
    call = sample_call()
    outcome = heard(recorded(call), Settings())
    at = [
        round(second * FRAMES_A_SECOND)
        for second in (0.5, 5, call.answer.at_s + 1, call.interruption.at_s - 1)
    ]
    assert [outcome.gate[n] for n in at] == ["open", "closed", "open", "closed"]
    began = round(call.interruption.at_s * FRAMES_A_SECOND)
    assert began < outcome.suspects[0] <= began + 15
    assert "held" in outcome.gate[began:]
    assert outcome.commits
    assert outcome.gate[outcome.commits[0]] == "open"


def test_settings_have_their_effect() -> None:
    recording = recorded(sample_call())
    deaf = heard(recording, Settings(vad=Vad(energy_threshold=5000)))
    assert not deaf.voiced.any()
    assert not deaf.commits, "a commit needs voice"
    off = heard(recording, Settings(barge_in=BargeIn(enabled=False)))
    assert (off.suspects, off.transitions) == ((), 4)


def test_a_turn_that_the_caller_cut_short_goes_on_until_he_has_been_heard() -> None:
    call = sample_call(echo_db=None)
    agent = call.agent.copy()
    agent[round((call.interruption.at_s + 0.3) * 8000) :] = 0
    outcome = heard(Recording(frames(call.caller), frames(agent)), Settings())
    assert (len(outcome.suspects), len(outcome.commits)) == (1, 1)


def test_a_caller_alone_never_closes_the_gate() -> None:
    outcome = heard(recorded(sample_call(echo_db=None), agent=False), Settings())
    assert (outcome.transitions, outcome.suspects) == (0, ())
    assert outcome.voiced.any()
