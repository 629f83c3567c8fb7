"""One call's talk in virtual time: real rooms of audio, a fake model, a line that only listens."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest

from bot.audio.g711 import ULAW
from bot.audio.vad import VadParams
from bot.call.barge_in import BargeInParams
from bot.call.conversation import Conversation, Script
from bot.call.downlink import Downlink
from bot.call.idle import IdleParams
from bot.call.journal import Journal
from bot.call.ports import Departure, Taken
from bot.call.tape import MessageParams
from bot.call.turns import State
from bot.call.uplink import Uplink, UplinkParams
from bot.config.settings import Destination, Farewell
from bot.realtime import events
from bot.rtp.packet import parse
from bot.rtp.sender import RtpSender
from bot.tools.base import Tool
from bot.tools.gather import GatherDigits
from bot.tools.hangup import HangupCall
from bot.tools.registry import ToolRegistry
from bot.tools.send_dtmf import SendDtmf
from bot.tools.take_message import TakeMessage
from bot.tools.transfer import TransferCall
from tests.fakes.nobody import NoDesk
from tests.fakes.realtime_model import FakeModel

FRAME_S = 0.02
SILENCE = b"\xff" * 160


def voice(seconds: float) -> list[bytes]:
    """Something the detectors take for speech: a buzz of 120 Hz with syllables, as μ-law frames."""
    n = np.arange(int(8000 * seconds))
    buzz = sum(np.sin(2 * np.pi * 120 * k * n / 8000) / k for k in range(1, 25))
    envelope = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * n / 8000)
    g711 = ULAW.encode((buzz * envelope * 3000).astype("<i2").tobytes())
    return [g711[i : i + 160] for i in range(0, len(g711), 160)]


class Line:
    """A phone and a clock: ``run`` lets time pass in frames."""

    def __init__(self, *tools: Tool, **script: Any) -> None:
        self.now = 100.0
        self.model = FakeModel()
        self.sent: list[bytes] = []
        self.ended: list[Departure] = []
        self.messages: list[Taken] = []
        self.dialled: list[str] = []
        self.work: list[Coroutine[Any, Any, None]] = []
        self._sender = RtpSender(0, ssrc=1, sequence=0, timestamp=0)
        params = UplinkParams(ULAW, None, 40, VadParams(), BargeInParams())
        uplink = Uplink(params)
        downlink = Downlink(ULAW, None, RtpSender(0, ssrc=2, sequence=0, timestamp=0))
        destinations = {"sales": Destination(context="destinations", exten="200")}
        settings: dict[str, Any] = {
            "instructions": "Be kind.",
            "greeting": "",
            "interruptible": True,
            "protect_greeting": False,
            "idle": IdleParams(prompt_after_s=0),
            "message": MessageParams(silence_s=2, max_s=10),
            "farewell": Farewell(),
        }
        self.talk = Conversation(
            Script(**{**settings, **script}),
            self.model,
            uplink,
            downlink,
            ToolRegistry(
                [HangupCall(), TransferCall(destinations), GatherDigits(), SendDtmf(), TakeMessage(), *tools]
            ),
            Journal(began=self.now),
            NoDesk(),
            call_id="call-1",
            clock=lambda: self.now,
            spawn=self.work.append,
            send_digits=self._dial,
            send_packet=lambda packet: self.sent.append(parse(packet).payload),
            on_message=self.messages.append,
            on_end=self.ended.append,
        )
        self.talk.take_line()
        self.talk.start_media()

    def run(self, seconds: float, speech: list[bytes] | None = None) -> None:
        for n in range(round(seconds / FRAME_S)):
            frame = speech[n % len(speech)] if speech else SILENCE
            self.talk.datagram(self._sender.packet(frame))
            self.talk.tick(self.now)
            self.now += FRAME_S

    async def _dial(self, digits: str, tone_ms: int) -> None:
        self.dialled.append(digits)

    def begins(self, response: str = "r1") -> None:
        self.model.asked_id = ""
        self.talk.on_model(events.ResponseCreated(response))

    def says(self, seconds: float, response: str = "r1", item: str = "i1") -> None:
        n = np.arange(int(24000 * seconds))
        pcm = (8000 * np.sin(2 * np.pi * 440 * n / 24000)).astype("<i2").tobytes()
        self.talk.on_model(events.AgentAudio(response, item, 0, pcm))

    def done(self, response: str = "r1", status: str = "completed", reason: str = "") -> None:
        self.talk.on_model(events.ResponseDone(response, status, reason))

    async def calls(
        self, name: str, arguments: str = "{}", response: str = "r1", call_id: str = "c1"
    ) -> None:
        self.talk.on_model(events.FunctionCall(response, call_id, name, arguments))
        for work in self.work:
            await work
        self.work.clear()

    @property
    def audible(self) -> list[bool]:
        return [payload != SILENCE for payload in self.sent]


def test_the_line_is_never_silent_on_the_wire() -> None:
    line = Line()
    line.run(1)
    assert line.sent == [SILENCE] * 50


def test_what_the_caller_says_reaches_the_model_at_once() -> None:
    line = Line()
    line.run(1, voice(1))
    assert len(line.model.heard) / 48000 == pytest.approx(1, abs=0.021)
    assert np.abs(np.frombuffer(line.model.heard, "<i2")).max() > 3000


def test_while_the_agent_is_heard_the_model_hears_silence() -> None:
    line = Line()
    line.run(0.5)
    heard = len(line.model.heard)
    line.begins()
    line.says(2)
    line.done()
    line.run(1, voice(0.1) + [SILENCE] * 15)  # clicks: too short to be an interruption
    assert not any(line.model.heard[heard + 960 :])


def test_the_greeting_is_asked_for_when_media_is_up() -> None:
    line = Line(greeting="Welcome!")
    kind, response = line.model.told[0]
    assert kind == "respond"
    assert 'saying: "Welcome!"' in response["instructions"]


def test_a_barge_in_cuts_the_agent_and_tells_the_model_what_was_heard() -> None:
    line = Line()
    line.begins()
    line.says(10)
    line.talk.on_model(events.AgentTranscript("r1", "i1", "one two three four five six seven eight nine ten"))
    line.run(2)
    line.run(1, voice(1))
    assert line.talk.turns.state is State.IDLE
    (_, item, played_ms), *more = [told for told in line.model.told if told[0] == "interrupt"]
    assert (item, more) == ("i1", [])
    heard_ms = 20 * sum(line.audible)
    assert played_ms == pytest.approx(heard_ms, abs=40)
    assert line.talk.journal.transcript[0].as_dict() == {
        "party": "agent", "text": "one two", "at_s": 0.0, "estimated": True,
    }  # fmt: skip
    before = len(line.sent)
    line.says(1)  # a late delta of the old response
    line.run(1)
    assert not any(line.audible[before:])


def test_words_that_come_after_the_cut_were_not_heard() -> None:
    line = Line()
    line.begins()
    line.says(4)
    line.talk.on_model(events.AgentTranscriptDelta("r1", "i1", "one two three four"))
    line.run(2)
    line.run(1, voice(1))
    words = " ".join(f"word{n}" for n in range(40))
    line.talk.on_model(events.AgentTranscript("r1", "i1", words))
    heard = line.talk.journal.transcript[0].as_dict()["text"].split()
    assert 4 <= len(heard) <= 8, "2 s of some 18 s"


def test_the_first_syllable_of_a_barge_in_is_whole() -> None:
    line = Line()
    line.begins()
    line.says(10)
    line.run(1)
    heard = len(line.model.heard)
    spoken = voice(1)
    line.run(1, spoken)
    up = np.frombuffer(line.model.heard[heard:], "<i2").astype(float)
    first = np.flatnonzero(np.abs(up) > 500)[0] / 24000
    assert first <= 0.26, "silence of the line, then the voice from its very start"
    assert np.mean(np.abs(up) > 500) > 0.4


def test_the_agent_fades_without_waiting_for_the_next_tick() -> None:
    line = Line()
    line.begins()
    line.says(1)
    line.run(0.2)
    before = len(line.sent)
    line.talk.on_model(events.SpeechStarted("item_c", 0))
    fading = line.sent[before:]
    assert [frame[-120:] == SILENCE[-120:] for frame in fading] == [True]
    assert fading[0] != SILENCE
    line.run(0.1)
    assert line.sent[before + 1 :] == [SILENCE] * 4, "the packet that left early was the next tick's"


def test_a_short_sound_only_pauses_the_agent() -> None:
    line = Line()
    line.begins()
    line.says(3)
    line.done()
    line.run(1)
    line.run(0.24, voice(0.24))
    line.run(4)
    assert not [told for told in line.model.told if told[0] == "interrupt"]
    assert 20 * sum(line.audible) == pytest.approx(3000, abs=60), "every word is heard in the end"
    assert line.talk.turns.state is State.IDLE


async def test_goodbye_is_heard_to_its_end_whatever_the_caller_does() -> None:
    line = Line()
    line.begins()
    line.says(3)
    await line.calls("hangup_call")
    line.done()
    line.run(2.9, voice(1))
    assert line.ended == []
    line.run(1, voice(1))
    assert [departure.kind for departure in line.ended] == ["hangup"]
    assert 20 * sum(line.audible) == pytest.approx(3000, abs=40)


async def test_a_wordless_hangup_brings_one_farewell() -> None:
    line = Line()
    line.begins()
    await line.calls("hangup_call", '{"reason":"done"}')
    line.done()
    assert [told[0] for told in line.model.told] == ["answer", "respond"]
    assert line.model.told[0][3] is False
    assert line.model.told[1][1]["tool_choice"] == "none"
    line.begins("r2")
    line.says(1, "r2", "i2")
    line.done("r2")
    line.run(2)
    assert [departure.reason for departure in line.ended] == ["done"]


async def test_five_goodbyes_end_the_call_once() -> None:
    line = Line()
    line.begins()
    line.says(0.5)
    for n in range(5):
        await line.calls("hangup_call", call_id=f"c{n}")
    line.done()
    line.run(3)
    assert len(line.ended) == 1


async def test_a_farewell_that_never_comes_ends_at_the_deadline() -> None:
    line = Line()
    line.begins()
    await line.calls("hangup_call")
    line.done()
    line.run(44)
    assert line.ended == []
    line.run(2)
    assert len(line.ended) == 1


async def test_transfer_goes_only_where_the_operator_allowed() -> None:
    line = Line()
    line.begins()
    await line.calls("transfer_call", '{"destination":"+1900123456"}')
    _, _, output, respond = line.model.told[-1]
    assert "no destination" in output
    assert respond
    assert line.talk.turns.state is State.PENDING
    await line.calls("transfer_call", '{"destination":"sales"}', call_id="c2")
    line.says(1)
    line.done()
    line.run(3)
    (departure,) = line.ended
    assert (departure.kind, departure.context, departure.exten) == ("continue", "destinations", "200")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("hangup_call", "no json"),
        ("hangup_call", "[]"),
        ("hangup_call", '{"reason": 5}'),
        ("hangup_call", '{"number": "911"}'),
        ("transfer_call", "{}"),
        ("dial_anything", '{"number": "911"}'),
    ],
)
async def test_bad_calls_come_back_in_words(name: str, arguments: str) -> None:
    line = Line()
    line.begins()
    await line.calls(name, arguments)
    _, _, output, respond = line.model.told[-1]
    assert '"ok":false' in output
    assert respond
    assert line.ended == []
    assert line.talk.journal.tools[0]["error"]


async def test_a_call_of_an_interrupted_response_does_nothing() -> None:
    """Also when its end comes together with it, before the function can run."""
    line = Line()
    line.begins()
    line.says(5)
    line.run(1)
    line.run(1, voice(1))
    line.talk.on_model(events.FunctionCall("r1", "c1", "hangup_call", "{}"))
    line.done(status="cancelled", reason="client_cancelled")
    for work in line.work:
        await work
    assert line.talk.turns.state is State.IDLE
    assert line.model.told[-1][3] is False


def test_a_barge_in_cuts_the_item_that_is_heard_and_those_behind_it() -> None:
    line = Line()
    line.begins()
    line.says(6)
    line.done()
    line.run(1)
    line.begins("r2")
    line.says(3, "r2", "i2")
    line.run(0.5)
    line.run(1, voice(1))
    (_, first, played_ms), (_, second, nothing) = [told for told in line.model.told if told[0] == "interrupt"]
    assert (first, second, nothing) == ("i1", "i2", 0)
    assert 1500 < played_ms < 2300


def test_a_failed_response_is_asked_for_once_more() -> None:
    line = Line(greeting="Welcome!")
    line.begins()
    line.done(status="failed", reason="server_error")
    assert [told[0] for told in line.model.told] == ["respond", "respond"]
    assert line.model.told[0] == line.model.told[1]
    line.begins("r2")
    line.done("r2", status="failed", reason="server_error")
    assert len(line.model.told) == 2
    assert line.talk.turns.state is State.IDLE


def test_a_refused_farewell_does_not_keep_the_line() -> None:
    line = Line()
    line.talk.leave(Departure("hangup", "bot", "max_call_seconds", say="Say goodbye."))
    line.talk.on_model(events.Fault("invalid_value", "no", "response", line.model.asked_id))
    line.run(1)
    assert [departure.reason for departure in line.ended] == ["max_call_seconds"]


def test_at_the_limit_the_agent_ends_its_sentence_and_says_so() -> None:
    line = Line()
    line.begins()
    line.says(2)
    line.run(0.5)
    line.talk.leave(Departure("hangup", "bot", "max_call_seconds", say="Say that time is up."))
    assert not line.model.told
    line.done()
    line.run(2)
    (asked,) = [told for told in line.model.told if told[0] == "respond"]
    assert "time is up" in asked[1]["instructions"]
    line.begins("r2")
    line.says(1, "r2", "i2")
    line.done("r2")
    line.run(2)
    assert [departure.reason for departure in line.ended] == ["max_call_seconds"]


def test_the_caller_hanging_up_ends_it_at_once() -> None:
    line = Line()
    line.begins()
    line.says(5)
    line.talk.gone(Departure("hangup", "caller", "caller hung up"))
    assert line.talk.turns.state is State.ENDED
    assert len(line.ended) == 1


def test_on_hold_silence_goes_up() -> None:
    line = Line()
    line.run(0.5)
    line.talk.hold(True)
    line.run(0.1)
    heard = len(line.model.heard)
    line.run(1, voice(1))
    assert not any(line.model.heard[heard + 960 :])
    assert len(line.model.heard) - heard == pytest.approx(48000, abs=960)
    line.talk.hold(False)
    line.run(1, voice(1))
    assert any(line.model.heard[-48000:])


def test_the_greeting_can_be_protected() -> None:
    line = Line(greeting="Welcome!", protect_greeting=True)
    line.begins()
    line.says(3)
    line.done()
    line.run(2, voice(1))
    assert not [told for told in line.model.told if told[0] == "interrupt"]
    assert not any(line.model.heard), "nor can the server's VAD cancel it"
    line.run(2)
    line.begins("r2")
    line.says(5, "r2", "i2")
    line.run(1)
    line.run(1, voice(1))
    assert [told for told in line.model.told if told[0] == "interrupt"], "what comes after is not"


@pytest.mark.parametrize("event_id", ["the request", ""])
def test_a_refused_greeting_leaves_the_line_open(event_id: str) -> None:
    line = Line(greeting="Welcome!", protect_greeting=True)
    line.talk.on_model(events.Fault("invalid_value", "no", "response", event_id and line.model.asked_id))
    line.run(1, voice(1))
    assert line.talk.turns.state is State.IDLE
    assert any(line.model.heard)


def test_a_fault_of_something_else_does_not_end_the_greeting() -> None:
    line = Line(greeting="Welcome!", protect_greeting=True)
    line.talk.on_model(events.Fault("invalid_value", "no", "item", "bot_of_another_event"))
    line.run(1, voice(1))
    assert line.talk.turns.state is State.GREETING


def test_a_fault_of_nobody_knows_what_does_not_end_a_greeting_that_has_begun() -> None:
    line = Line(greeting="Welcome!", protect_greeting=True)
    line.begins()
    line.says(1)
    line.talk.on_model(events.Fault("server_error", "no", "", ""))
    line.run(1.5, voice(1))
    assert line.talk.turns.state is State.GREETING


async def test_a_turn_that_was_never_transcribed_is_not_waited_for_for_ever() -> None:
    line = Line()
    for item in ("u1", "u2"):
        line.talk.on_model(events.SpeechStarted(item, 0))
        line.talk.on_model(events.SpeechStopped(item, 900))
    waiting = asyncio.create_task(line.talk.transcribed(1.0))
    await asyncio.sleep(0)
    line.run(0.1)
    await asyncio.sleep(0)
    assert not waiting.done()
    line.talk.on_model(events.CallerTranscript("u2", "yes"))
    line.run(0.1)
    await asyncio.sleep(0)
    assert waiting.done()


RECORDED = ULAW.encode((8000 * np.sin(np.arange(2 * 8000) / 3)).astype("<i2").tobytes())


def test_a_recorded_greeting_begins_with_the_first_packet_and_the_model_is_told() -> None:
    line = Line(greeting="Welcome to our shop!", greeting_audio=RECORDED)
    line.run(3)
    assert line.audible == [True] * 100 + [False] * 50
    assert line.sent[50] == RECORDED[50 * 160 : 51 * 160]
    assert line.model.told == [("said", "Welcome to our shop!")]
    assert line.talk.turns.state is State.IDLE
    (said,) = line.talk.journal.transcript
    assert (said.party, said.text, said.cut) == ("agent", "Welcome to our shop!", None)


def test_a_recorded_greeting_can_be_interrupted() -> None:
    """The transcript says how much was heard; the model is told that it was interrupted, as of any item."""
    line = Line(greeting="one two three four five six seven eight", greeting_audio=RECORDED)
    line.run(0.4)
    line.run(1, voice(1))
    assert [told[0] for told in line.model.told] == ["said", "interrupt"]
    assert line.talk.journal.transcript[0].as_dict()["estimated"]
    assert any(line.model.heard), "the gate is open"
    line.begins()
    line.says(1)
    line.run(0.5)
    assert line.audible[-1], "what comes after it is heard"


def test_a_recorded_greeting_can_be_protected() -> None:
    line = Line(greeting="Welcome!", greeting_audio=RECORDED, protect_greeting=True)
    line.run(2, voice(1))
    assert line.model.told == [("said", "Welcome!")]
    assert sum(line.audible) == 100
    line.run(1, voice(1))
    assert any(line.model.heard)


def test_a_farewell_without_the_tool_is_warned_about(capsys: pytest.CaptureFixture[str]) -> None:
    line = Line()
    line.begins()
    line.says(1)
    line.talk.on_model(events.AgentTranscript("r1", "i1", "Thank you for calling. Goodbye!"))
    line.done()
    captured = capsys.readouterr()
    assert "AI used farewell phrase without invoking hangup_call tool" in captured.out + captured.err


def test_a_response_with_too_little_audio_is_counted_and_frees_the_line() -> None:
    line = Line()
    line.begins()
    line.says(0.5)
    line.talk.on_model(events.AgentTranscript("r1", "i1", "Welcome to our shop, how can I help you today?"))
    line.done()
    line.run(1)
    assert line.talk.journal.partial_audio == 1
    assert line.talk.turns.state is State.IDLE
    line.begins("r2")
    line.talk.on_model(events.AgentTranscript("r2", "i2", "Welcome to our shop, how can I help you today?"))
    line.says(3, "r2", "i2")
    line.done("r2")
    assert line.talk.journal.partial_audio == 1, "the words may come before the audio"


def test_an_agent_that_may_not_be_interrupted_is_heard_to_its_end() -> None:
    """``barge_in: off``: not by the local detectors, and the server hears silence."""
    line = Line(interruptible=False)
    line.begins()
    line.says(3)
    line.done()
    heard = len(line.model.heard)
    line.run(2.5, voice(2))
    line.talk.on_model(events.SpeechStarted("u1", 0))
    line.run(1)
    assert sum(line.audible) >= 150
    assert not any(line.model.heard[heard + 960 : heard + 48000 * 2])
    assert line.talk.journal.interruptions == 0


def test_an_interruption_is_a_suspect_first_and_timed() -> None:
    line = Line()
    line.begins()
    line.says(5)
    line.run(1)
    line.run(1, voice(1))
    quality = line.talk.quality()
    assert (quality["suspects"], quality["interruptions"]) == (1, 1)
    (stop,) = quality["barge_ins"]
    assert stop["suspect_to_stop_ms"] <= 40
    assert 40 <= stop["onset_to_stop_ms"] <= 240


def test_turn_latency_counts_from_the_callers_last_voice() -> None:
    line = Line()
    line.run(1, voice(1))
    line.run(0.6)
    line.talk.on_model(events.SpeechStopped("u1", 1000))
    line.run(0.2)
    line.begins()
    line.says(1)
    line.run(0.2)
    (latency_ms,) = line.talk.journal.turn_latencies_ms
    assert latency_ms == pytest.approx(800, abs=60)


async def test_a_lost_model_lets_the_farewell_it_gave_be_heard() -> None:
    line = Line()
    line.begins()
    line.says(2)
    await line.calls("hangup_call")
    line.talk.model_lost(Departure("continue", "model", "model_lost"))
    line.run(3)
    assert [departure.kind for departure in line.ended] == ["hangup"]


def test_a_lost_model_sends_the_caller_on() -> None:
    line = Line()
    line.talk.model_lost(Departure("continue", "model", "model_lost"))
    assert [departure.reason for departure in line.ended] == ["model_lost"]


def test_a_model_lost_before_its_farewell_leaves_as_was_wished() -> None:
    line = Line()
    line.begins()
    line.says(30)
    line.run(1)
    line.talk.leave(Departure("hangup", "bot", "max_call_seconds", say="Say goodbye."))
    line.talk.model_lost(Departure("continue", "model", "model_lost"))
    line.run(1)
    assert [departure.reason for departure in line.ended] == ["max_call_seconds"]


def test_nothing_waits_for_a_loop() -> None:
    """The talk itself is plain code: no event loop runs in these tests."""
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
    Line().run(0.1)


def test_what_was_measured_of_one_agent_stays_when_the_next_has_the_line() -> None:
    line = Line(silence_ms=500)
    line.begins()
    line.says(10)
    line.run(1)
    line.run(1, voice(1))
    line.run(1)
    before = line.talk.quality()
    assert (before["suspects"], len(before["barge_ins"])) == (1, 1)
    other = Line()
    other.talk.journal = line.talk.journal
    other.talk.take_line()
    after = other.talk.quality()
    assert [after[name] for name in ("suspects", "barge_ins", "turns", "interruptions")] == [
        before[name] for name in ("suspects", "barge_ins", "turns", "interruptions")
    ]


def test_a_talk_steps_aside_after_its_sentence_and_can_take_the_line_again() -> None:
    line = Line()
    line.begins()
    line.says(1)
    line.talk.leave(Departure("aside", "agent", "asking the desk"))
    line.done()
    line.run(0.9)
    assert line.ended == []
    line.run(0.8)
    assert [departure.kind for departure in line.ended] == ["aside"]
    heard = sum(line.audible)
    assert heard >= 50, "to its end"
    assert line.model.told == [], "no farewell was asked for"
    line.talk.take_line()
    assert not line.talk.leaving
    line.begins("r2")
    line.says(1, "r2", "i2")
    line.done("r2")
    line.run(1.5)
    assert sum(line.audible) == 2 * heard


def test_nobody_has_to_speak_before_stepping_aside() -> None:
    line = Line()
    line.talk.leave(Departure("aside", "agent", "asking the desk"))
    line.run(0.6)
    assert [departure.kind for departure in line.ended] == ["aside"]
    assert line.model.told == []


def test_what_the_model_still_says_after_stepping_aside_is_not_heard() -> None:
    line = Line()
    line.talk.leave(Departure("aside", "agent", "asking the desk"))
    line.run(0.6)
    line.begins()
    line.says(1)
    line.run(1)
    assert not any(line.audible)


async def test_a_function_called_after_stepping_aside_is_answered() -> None:
    """The session waits for an answer to every call, and would be mute without one when the line is back."""
    line = Line()
    line.talk.leave(Departure("aside", "agent", "handed off"))
    line.run(1)
    assert line.talk.turns.state is State.ENDED
    line.talk.on_model(events.FunctionCall("r1", "c1", "hangup_call", "{}"))
    (answer,) = [told for told in line.model.told if told[0] == "answer"]
    assert "interrupted" in answer[2]
    assert not answer[3]
    assert len(line.ended) == 1


async def test_a_second_wish_to_leave_is_told_of_the_first() -> None:
    line = Line()
    line.begins()
    line.says(1)
    await line.calls("hangup_call")
    await line.calls("transfer_call", '{"destination":"sales"}', call_id="c2")
    await line.calls("hangup_call", call_id="c3")
    assert [entry["error"] for entry in line.talk.journal.tools] == [
        "",
        *["the call is being left already"] * 2,
    ]


def test_a_farewell_counts_wherever_in_a_response_it_was_said(capsys: pytest.CaptureFixture[str]) -> None:
    line = Line()
    line.begins()
    line.talk.on_model(events.AgentTranscript("r1", "i1", "Goodbye, and thank you."))
    line.talk.on_model(events.AgentTranscript("r1", "i2", "It is a quarter past nine."))
    line.done()
    assert "farewell phrase" in "".join(capsys.readouterr())


def test_a_farewell_that_was_interrupted_ends_nothing() -> None:
    line = Line(farewell=Farewell(auto_hangup=True, grace_s=1))
    line.begins()
    line.says(3)
    line.run(0.5)
    line.talk.on_model(events.AgentTranscript("r1", "i1", "Goodbye, and thank you."))
    line.talk.digit("1", 100)
    line.done(status="cancelled", reason="client_cancelled")
    line.run(8)
    assert line.ended == []


async def test_the_callers_last_words_are_waited_for() -> None:
    line = Line()
    line.talk.on_model(events.SpeechStarted("u1", 0))
    line.talk.on_model(events.SpeechStopped("u1", 900))
    waiting = asyncio.create_task(line.talk.transcribed(1.0))
    await asyncio.sleep(0)
    line.run(0.5)
    await asyncio.sleep(0)
    assert not waiting.done()
    line.talk.on_model(events.CallerTranscript("u1", "A tyre, please."))
    line.run(0.1)
    await asyncio.wait_for(waiting, 1)
    line.talk.on_model(events.SpeechStopped("u2", 900))
    waiting = asyncio.create_task(line.talk.transcribed(1.0))
    await asyncio.sleep(0)
    line.run(1.1)
    await asyncio.wait_for(waiting, 1)
