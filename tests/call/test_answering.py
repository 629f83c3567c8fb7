"""Messages: the tape by itself, and one taken within a talk in virtual time."""

import asyncio

import numpy as np
import pytest

from bot.call.ports import Departure
from bot.call.tape import MessageParams, Tape
from bot.realtime import events
from tests.call.test_conversation import Line, voice
from tests.call.test_keys import output, presses, settle, starts

PARAMS = MessageParams(silence_s=4, max_s=60)


def test_silence_ends_a_message_and_counts_from_the_last_word() -> None:
    tape = Tape(PARAMS, 100)
    tape.tick(103, last_voiced=102)
    tape.tick(105.9, last_voiced=102)
    early = tape.ended
    tape.tick(106, last_voiced=102)
    assert (early, tape.ended, tape.spoken) == (None, "silence", True)


def test_what_was_said_before_the_beep_is_no_message() -> None:
    tape = Tape(PARAMS, 100)
    tape.tick(104, last_voiced=99.9)
    assert (tape.ended, tape.spoken) == ("silence", False)


def test_the_limit_ends_whoever_goes_on() -> None:
    tape = Tape(PARAMS, 100)
    for second in range(100, 161):
        tape.tick(second, last_voiced=second)
    assert tape.ended == "limit"
    tape.stop("key")
    assert tape.ended == "limit", "the first end counts"


def test_after_its_end_nothing_is_recorded() -> None:
    tape = Tape(PARAMS, 100)
    tape.frame(bytes(320))
    tape.stop("key")
    tape.frame(bytes(320))
    assert len(tape.audio) == 320


async def answering(line: Line) -> asyncio.Task[None]:
    """The agent has said its sentence, and the beep is over."""
    line.begins()
    line.says(1)
    task = await starts(line, "take_message")
    line.done()
    line.run(1.1)
    await settle()
    line.run(0.5)
    await settle()
    return task


async def test_a_message_from_beep_to_silence() -> None:
    line = Line()
    task = await answering(line)
    beep = np.array(line.audible)
    assert 20 * beep.sum() == pytest.approx(1000 + 400, abs=60), "the sentence and the beep"
    line.talk.on_model(events.SpeechStarted("u1", 0))
    line.run(3, voice(1))
    line.talk.on_model(events.SpeechStopped("u1", 3000))
    line.run(2.2)
    await settle()
    assert line.messages == [], "the words are still awaited"
    line.talk.on_model(events.CallerTranscript("u1", "Please call me back."))
    line.run(0.1)
    await task
    (taken,) = line.messages
    assert (taken.ended, taken.transcript) == ("silence", "Please call me back.")
    assert taken.seconds == pytest.approx(5, abs=0.4)
    assert np.mean(np.abs(np.frombuffer(taken.audio, "<i2")) > 500) > 0.3
    assert output(line)["ok"]
    assert output(line)["respond"]
    switched = [told[1] for told in line.model.told if told[0] == "listen_only"]
    assert switched == [True, False]


async def test_hash_ends_it_and_no_other_key() -> None:
    line = Line()
    task = await answering(line)
    line.run(1, voice(1))
    presses(line, "1")
    assert not task.done()
    line.run(0.5, voice(1))
    presses(line, "#")
    await settle()
    line.run(0.1)
    await task
    assert line.messages[0].ended == "key"
    line.run(5)
    assert not [told for told in line.model.told if told[0] == "tell"], "the keys were for the message"


async def test_a_transcript_that_never_comes_is_not_waited_for_forever() -> None:
    line = Line()
    task = await answering(line)
    line.talk.on_model(events.SpeechStarted("u1", 0))
    line.run(1, voice(1))
    line.talk.on_model(events.SpeechStopped("u1", 1000))
    line.run(2.2)
    await settle()
    line.run(5.1)
    await task
    assert line.messages[0].transcript == ""


async def test_silence_is_no_message() -> None:
    line = Line()
    task = await answering(line)
    line.run(3)
    await settle()
    line.run(0.1)
    await task
    assert line.messages == []
    assert output(line)["error"] == "the caller said nothing"


async def test_a_caller_who_hangs_up_has_left_his_message() -> None:
    line = Line()
    task = await answering(line)
    line.run(2, voice(1))
    task.cancel()  # as the end of the call does
    await settle()
    (taken,) = line.messages
    assert taken.ended == "leaving"
    assert taken.seconds == pytest.approx(2, abs=0.3)


async def test_the_time_limit_keeps_what_was_said() -> None:
    line = Line()
    task = await answering(line)
    line.run(2, voice(1))
    line.talk.leave(Departure("hangup", "bot", "limit"))
    line.run(0.1)
    await task
    assert line.messages[0].ended == "leaving"


async def test_one_message_at_a_time() -> None:
    line = Line()
    task = await answering(line)
    await starts(line, "take_message")
    assert "already under way" in output(line)["error"]
    presses(line, "#")
    await settle()
    line.run(0.1)
    await task


async def test_who_cuts_the_sentence_short_hears_the_beep_and_the_thanks() -> None:
    line = Line()
    line.begins()
    line.says(10)
    task = await starts(line, "take_message")
    line.done()
    line.run(1)
    line.run(1, voice(1))
    await settle()
    line.run(0.6)
    await settle()
    line.run(1, voice(1))
    presses(line, "#")
    await settle()
    line.run(0.1)
    await task
    assert output(line)["respond"], "the server has not answered: it was told to listen only"


async def test_a_tool_that_the_end_of_the_call_cuts_short_is_in_the_record() -> None:
    line = Line()
    task = await answering(line)
    task.cancel()
    await settle()
    (entry,) = line.talk.journal.tools
    assert (entry["name"], entry["error"]) == ("take_message", "the call ended")
