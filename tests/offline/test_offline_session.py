"""The pure session: order of events, turns, interruption, items and the errors of the real service."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from tests.offline.peer import CLIENT_EVENTS, HANGUP, Driver, only, refusal, silence, speech, types

TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
]
ONE_RESPONSE = [
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
NESTED = {"type": "function", "function": {"name": "hangup_call", "parameters": {}}}


def transcribing(driver: Driver) -> None:
    driver.update(audio={"input": {"transcription": {"model": "gpt-transcribe"}}})


# ---------------------------------------------------------------------------- turns


def test_a_turn_and_its_response_in_the_order_of_the_api() -> None:
    driver = Driver()
    assert types(driver.opening) == ["session.created"]
    assert types(driver.hear(silence(1000) + speech(800) + silence(600))) == TURN
    assert types(driver.speak() + driver.finish()) == ONE_RESPONSE


def test_the_order_in_beta() -> None:
    driver = Driver("beta", "gpt-4o-realtime-preview")
    assert types(driver.opening) == ["session.created", "conversation.created"]
    events = driver.hear(speech(800) + silence(600)) + driver.speak() + driver.finish()
    assert types(events) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.created",
        "response.created",
        "response.output_item.added",
        "conversation.item.created",
        "response.content_part.added",
        "response.audio_transcript.delta",
        "response.audio.delta",
        "response.audio.done",
        "response.audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    done = only(events, "response.done")["response"]
    assert done["output"][0]["content"] == [{"type": "audio", "transcript": "Hello."}]
    assert done["modalities"] == ["audio", "text"]


def test_speech_positions_are_on_the_clock_of_the_audio_and_include_padding_and_silence() -> None:
    driver = Driver()
    events = driver.hear(silence(1000) + speech(800) + silence(700))
    started, stopped = events[0], events[1]
    assert started["audio_start_ms"] == pytest.approx(1000 - 300, abs=60)
    assert stopped["audio_end_ms"] == pytest.approx(1800 + 500, abs=60)
    assert started["item_id"] == stopped["item_id"] == events[2]["item_id"] == events[3]["item"]["id"]


def test_the_ears_get_the_words_with_padding_and_without_the_silence_that_ended_the_turn() -> None:
    driver = Driver()
    driver.hear(silence(3000) + speech(1000) + silence(2000))
    (hear,) = driver.hears
    assert len(hear.pcm) / 48 == pytest.approx(300 + 1000 + 200, abs=80)


def test_transcription_comes_when_configured_and_only_then() -> None:
    driver = Driver()
    driver.hear(speech(800) + silence(600))
    driver.session.heard(driver.hears[0].item_id, "hello")
    assert driver.drain() == []
    driver.session.finish(driver.answers[-1].response_id)
    driver.drain()
    transcribing(driver)
    driver.hear(speech(800) + silence(600))
    driver.session.heard(driver.hears[1].item_id, "goodbye")
    event = only(driver.drain(), "conversation.item.input_audio_transcription.completed")
    assert (event["item_id"], event["transcript"]) == (driver.hears[1].item_id, "goodbye")


def test_create_response_false_commits_without_answering() -> None:
    driver = Driver()
    driver.update(audio={"input": {"turn_detection": {"type": "server_vad", "create_response": False}}})
    assert types(driver.hear(speech(800) + silence(600))) == TURN[:-1]


def test_without_turn_detection_the_client_commits() -> None:
    driver = Driver()
    driver.update(audio={"input": {"turn_detection": None}})
    assert driver.hear(speech(800) + silence(800)) == []
    assert types(driver.send("input_audio_buffer.commit")) == TURN[2:5]
    error = refusal(driver.send("input_audio_buffer.commit", event_id="mine"))
    assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "mine")


@pytest.mark.parametrize(("eagerness", "silence_ms"), [("low", 1200), ("auto", 700), ("high", 400)])
def test_semantic_vad_waits_as_long_as_its_eagerness_says(eagerness: str, silence_ms: int) -> None:
    driver = Driver()
    driver.update(audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": eagerness}}})
    assert types(driver.hear(speech(800) + silence(silence_ms - 60))) == TURN[:1]
    assert types(driver.hear(silence(120))) == TURN[1:]


def test_a_higher_threshold_needs_louder_audio() -> None:
    driver = Driver()
    driver.update(audio={"input": {"turn_detection": {"type": "server_vad", "threshold": 1.0}}})
    assert driver.hear(speech(500, gain=0.25) + silence(600)) == []
    assert types(driver.hear(speech(500, gain=2) + silence(600))) == TURN


def test_idle_timeout_counts_from_the_end_of_the_played_audio() -> None:
    driver = Driver()
    driver.update(audio={"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 5000}}})
    driver.send("response.create")
    driver.speak(audio_ms=2000)
    driver.finish()
    assert driver.hear(silence(6900)) == []
    events = driver.hear(silence(200))
    assert types(events) == ["input_audio_buffer.timeout_triggered", *TURN[2:]]
    assert events[0]["audio_end_ms"] - events[0]["audio_start_ms"] == 5000
    assert driver.session.writer(driver.answers[-1].response_id).response.idle


# ---------------------------------------------------------------------------- interruption


def test_speech_cancels_the_active_response() -> None:
    driver = Driver()
    driver.send("response.create")
    driver.speak()
    events = driver.hear(speech(200))
    assert types(events) == [TURN[0], *ONE_RESPONSE[5:]]
    response = only(events, "response.done")["response"]
    assert response["status"] == "cancelled"
    assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert response["output"][0]["status"] == "incomplete"
    assert [halt.response_id for halt in driver.halts] == [response["id"]]


def test_interrupt_response_false_lets_the_agent_finish_and_refuses_a_second_response() -> None:
    driver = Driver()
    driver.update(audio={"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}})
    driver.send("response.create")
    events = driver.hear(speech(800) + silence(600))
    assert types(events) == [*TURN[:-1], "error"]
    assert events[-1]["error"]["code"] == "conversation_already_has_active_response"
    assert driver.halts == []


def test_response_cancel() -> None:
    driver = Driver()
    error = refusal(driver.send("response.cancel", event_id="e1"))
    assert (error["code"], error["event_id"]) == ("response_cancel_not_active", "e1")
    driver.send("response.create")
    driver.speak()
    done = only(driver.send("response.cancel"), "response.done")["response"]
    assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}


def test_truncate_beyond_the_audio_is_refused_in_openai_s_words() -> None:
    driver = Driver()
    driver.send("response.create")
    item = driver.speak(audio_ms=400)[0]["item"]["id"]
    driver.finish()
    place = {"item_id": item, "content_index": 0}
    error = refusal(driver.send("conversation.item.truncate", **place, audio_end_ms=401))
    assert error["message"] == "Audio content of 400ms is already shorter than 401ms"
    event = only(
        driver.send("conversation.item.truncate", **place, audio_end_ms=120), "conversation.item.truncated"
    )
    assert event["audio_end_ms"] == 120
    retrieved = only(driver.send("conversation.item.retrieve", item_id=item), "conversation.item.retrieved")
    assert retrieved["item"]["content"][0]["transcript"] == ""
    error = refusal(driver.send("conversation.item.truncate", **place, audio_end_ms=400))
    assert error["message"] == "Audio content of 120ms is already shorter than 400ms"


# ---------------------------------------------------------------------------- items and responses


def test_items_are_created_in_place_retrieved_and_deleted() -> None:
    driver = Driver()

    def create(text: str, **fields: Any) -> str:
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        events = driver.send("conversation.item.create", item=item, **fields)
        assert types(events) == ["conversation.item.added", "conversation.item.done"]
        return str(events[0]["item"]["id"])

    first = create("one")
    create("three")
    create("two", previous_item_id=first)
    create("zero", previous_item_id="root")
    assert [item.text for item in driver.session.conversation.items] == ["zero", "one", "two", "three"]
    assert types(driver.send("conversation.item.delete", item_id=first)) == ["conversation.item.deleted"]
    for action in ("delete", "retrieve"):
        error = refusal(driver.send(f"conversation.item.{action}", item_id=first))
        assert error["code"] == f"item_{action}_invalid_item_id"


def test_a_function_output_needs_its_call() -> None:
    driver = Driver()
    output = {"type": "function_call_output", "call_id": "call_none", "output": "{}"}
    assert refusal(driver.send("conversation.item.create", item=output))["code"] == "invalid_tool_call_id"


def test_a_second_response_is_refused_but_one_outside_the_conversation_is_not() -> None:
    driver = Driver()
    created = only(driver.send("response.create"), "response.created")["response"]
    error = refusal(driver.send("response.create"))
    assert error["code"] == "conversation_already_has_active_response"
    assert created["id"] in error["message"]
    aside = only(
        driver.send("response.create", response={"conversation": "none", "metadata": {"topic": "x"}}),
        "response.created",
    )["response"]
    assert (aside["conversation_id"], aside["metadata"]) == (None, {"topic": "x"})
    assert "conversation.item.added" not in types(driver.speak() + driver.finish())


def test_text_only() -> None:
    driver = Driver()
    driver.send("response.create", response={"output_modalities": ["text"]})
    writer = driver.session.writer(driver.answers[-1].response_id)
    writer.begin_message()
    writer.words("Hello.")
    events = driver.drain() + driver.finish()
    assert [name for name in types(events) if "output_text" in name] == [
        "response.output_text.delta",
        "response.output_text.done",
    ]
    done = only(events, "response.done")["response"]
    assert done["output"][0]["content"] == [{"type": "output_text", "text": "Hello."}]


def test_usage_counts_audio_in_and_out_and_what_was_read_before() -> None:
    driver = Driver()
    driver.update(instructions="x" * 400)
    driver.hear(speech(800) + silence(600))
    driver.speak(words="abcdefgh", audio_ms=1000)
    first = only(driver.finish(), "response.done")["response"]["usage"]
    assert first["output_token_details"] == {"text_tokens": 2, "audio_tokens": 20}
    assert first["input_token_details"]["text_tokens"] == 100
    assert 10 <= first["input_token_details"]["audio_tokens"] <= 14
    assert first["input_token_details"]["cached_tokens"] == 0
    assert first["total_tokens"] == first["input_tokens"] + first["output_tokens"]
    driver.send("response.create")
    driver.speak()
    second = only(driver.finish(), "response.done")["response"]["usage"]
    assert second["input_token_details"]["cached_tokens"] == first["input_tokens"]
    assert second["input_tokens"] > first["input_tokens"]


# ---------------------------------------------------------------------------- session.update


def test_updates_are_partial_and_echoed_in_full() -> None:
    driver = Driver()
    driver.update(instructions="Be brief.", tools=[HANGUP])
    session = only(driver.update(audio={"output": {"format": {"type": "audio/pcmu"}}}), "session.updated")[
        "session"
    ]
    assert session["instructions"] == "Be brief."
    assert session["tools"] == [HANGUP]
    assert session["audio"]["output"]["format"] == {"type": "audio/pcmu"}
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 500
    session = only(driver.update(instructions="", tools=[]), "session.updated")["session"]
    assert (session["instructions"], session["tools"]) == ("", [])


def test_the_voice_cannot_change_after_audio_and_the_whole_update_is_refused() -> None:
    driver = Driver()
    driver.update(audio={"output": {"voice": "cedar"}})
    driver.send("response.create")
    driver.speak()
    driver.finish()
    error = refusal(driver.update(instructions="new", audio={"output": {"voice": "marin"}}))
    assert error["code"] == "cannot_update_voice"
    assert driver.session.config.voice == "cedar"
    assert driver.session.config.instructions != "new"
    assert types(driver.update(audio={"output": {"voice": "cedar"}})) == ["session.updated"]


def test_nested_tools_and_beta_s_audio_alone_are_refused_in_openai_s_words() -> None:
    error = refusal(Driver().update(tools=[NESTED]))
    assert error["code"] == "missing_required_parameter"
    assert error["message"] == "Missing required parameter: 'session.tools[0].name'."
    error = refusal(Driver("beta").update(modalities=["audio"]))
    assert error["message"] == (
        "Invalid modalities: ['audio']. Supported combinations: ['text'] and ['audio', 'text']."
    )


def test_beta_settings() -> None:
    driver = Driver("beta")
    session = only(
        driver.update(
            modalities=["audio", "text"],
            input_audio_format="g711_ulaw",
            output_audio_format="g711_alaw",
            input_audio_transcription={"model": "whisper-1"},
            turn_detection={"type": "server_vad", "threshold": 0.6},
            voice="shimmer",
            temperature=0.7,
            tools=[HANGUP],
        ),
        "session.updated",
    )["session"]
    assert session["input_audio_format"] == "g711_ulaw"
    assert session["output_audio_format"] == "g711_alaw"
    assert session["turn_detection"]["prefix_padding_ms"] == 300
    assert (session["voice"], session["temperature"]) == ("shimmer", 0.7)


# What the strict server refuses, with the parameter that it names. `False`: OpenAI's types let it through.
REFUSED: list[tuple[bool, str, dict[str, Any], str, str | None]] = [
    (True, "session.update", {"session": {}}, "missing_required_parameter", "session.type"),
    (True, "session.update", {}, "missing_required_parameter", "session"),
    (True, "session.update", {"session": {"type": "x"}}, "invalid_value", "session.type"),
    (
        False,
        "session.update",
        {"session": {"type": "realtime", "voice": "a"}},
        "unknown_parameter",
        "session.voice",
    ),
    (
        True,
        "session.update",
        {"session": {"type": "realtime", "audio": {"input": {"format": {"type": "pcm16"}}}}},
        "invalid_value",
        "session.audio.input.format.type",
    ),
    (
        True,
        "session.update",
        {"session": {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "vad"}}}}},
        "invalid_value",
        "session.audio.input.turn_detection.type",
    ),
    (
        False,
        "session.update",
        {
            "session": {
                "type": "realtime",
                "audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}},
            }
        },
        "above_max_value",
        "session.audio.input.turn_detection.threshold",
    ),
    (
        True,
        "session.update",
        {"session": {"type": "realtime", "output_modalities": ["video"]}},
        "invalid_value",
        "session.output_modalities[0]",
    ),
    (
        False,
        "session.update",
        {"session": {"type": "realtime", "output_modalities": ["audio", "text"]}},
        "invalid_value",
        "session.output_modalities",
    ),
    (True, "input_audio_buffer.append", {}, "missing_required_parameter", "audio"),
    (True, "input_audio_buffer.append", {"audio": 5}, "invalid_type", "audio"),
    (False, "input_audio_buffer.append", {"audio": "%%"}, "invalid_value", "audio"),
    (True, "conversation.item.create", {}, "missing_required_parameter", "item"),
    (True, "conversation.item.create", {"item": {"type": "poem"}}, "invalid_value", "item.type"),
    (
        True,
        "conversation.item.create",
        {"item": {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "x"}]}},
        "invalid_value",
        "item.content[0].type",
    ),
    (
        True,
        "conversation.item.create",
        {"item": {"type": "function_call_output", "output": "{}"}},
        "missing_required_parameter",
        "item.call_id",
    ),
    (True, "conversation.item.delete", {}, "missing_required_parameter", "item_id"),
    (
        True,
        "conversation.item.truncate",
        {"item_id": "x", "content_index": 0},
        "missing_required_parameter",
        "audio_end_ms",
    ),
    (True, "response.create", {"response": {"tool_choice": 5}}, "invalid_value", "response.tool_choice"),
    (
        False,
        "response.create",
        {"response": {"modalities": ["text"]}},
        "unknown_parameter",
        "response.modalities",
    ),
    (True, "response.cancel", {"response_id": 7}, "invalid_type", "response_id"),
    (True, "session.destroy", {}, "invalid_value", "type"),
]


@pytest.mark.parametrize(("by_types", "event_type", "fields", "code", "param"), REFUSED)
def test_refused(
    by_types: bool, event_type: str, fields: dict[str, Any], code: str, param: str | None
) -> None:
    event = {"type": event_type, "event_id": "mine", **fields}
    if by_types:
        with pytest.raises(ValidationError):
            CLIENT_EVENTS["ga"].validate_python(event)
    error = refusal(Driver().send_raw(json.dumps(event)))
    assert (error["code"], error["param"], error["event_id"]) == (code, param, "mine")


@pytest.mark.parametrize("frame", ["", "{", "[]", '"text"', "{}", '{"type": 5}'])
def test_frames_that_are_no_events(frame: str) -> None:
    assert refusal(Driver().send_raw(frame))["type"] == "invalid_request_error"
