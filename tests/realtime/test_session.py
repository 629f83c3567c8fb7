"""The Realtime session as pure state, against the types of the ``openai`` package."""

from base64 import b64encode
from typing import Annotated, Any

import orjson
import pytest
from openai.types.beta.realtime import RealtimeClientEvent as BetaClientEvent
from openai.types.realtime import RealtimeClientEvent
from pydantic import Field, TypeAdapter

from bot.errors import ProtocolError
from bot.realtime import events
from bot.realtime.dialects import SessionRequest, differences, merged
from bot.realtime.session import RealtimeSession

CLIENT: dict[str, TypeAdapter[Any]] = {
    "ga": TypeAdapter(Annotated[RealtimeClientEvent, Field(discriminator="type")]),
    "beta": TypeAdapter(Annotated[BetaClientEvent, Field(discriminator="type")]),
}
TOOL = {"type": "function", "name": "hangup_call", "description": "…", "parameters": {"type": "object"}}
REQUEST = SessionRequest(
    instructions="Be kind.",
    voice="marin",
    turn_detection={"type": "server_vad", "threshold": 0.5},
    transcription={"model": "gpt-transcribe"},
    tools=(TOOL,),
)


def session(dialect: str = "ga", **changes: Any) -> RealtimeSession:
    request = SessionRequest(**{**{f: getattr(REQUEST, f) for f in REQUEST.__slots__}, **changes})
    return RealtimeSession(dialect, request)


def give(target: RealtimeSession, kind: str, **fields: Any) -> events.Event | None:
    return target.receive(orjson.dumps({"type": kind, **fields}))


def created(target: RealtimeSession, name: str = "r1") -> None:
    give(target, "response.created", response={"id": name})


def done(target: RealtimeSession, name: str = "r1") -> events.Event | None:
    return give(target, "response.done", response={"id": name, "status": "completed"})


def function_call(
    target: RealtimeSession, call_id: str = "c1", status: str = "completed"
) -> events.Event | None:
    item = {"type": "function_call", "status": status, "call_id": call_id, "name": "f", "arguments": "{}"}
    return give(target, "response.output_item.done", response_id="r1", item=item)


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_everything_sent_is_an_event_of_the_api(dialect: str) -> None:
    s = session(dialect)
    give(s, "response.audio.delta", response_id="r", item_id="i", delta=b64encode(bytes(4800)).decode())
    s.respond({"tool_choice": "none"})
    messages = [
        s.update(),
        s.append(b"abc"),
        s.tell("The caller pressed 1"),
        s.answer("r", "c", "{}"),
        s.cancel(),
        s.said("Hi."),
        s.remember("caller", "Hello."),
        s.remember("agent", "Hi."),
    ]
    messages += [s.truncate("i", 50) or b"", s.due() or b""]
    messages += [s.listen_only(True) or b"", s.listen_only(False) or b""]
    for message in messages:
        CLIENT[dialect].validate_json(message)


def test_a_response_waits_for_the_active_one() -> None:
    s = session()
    created(s)
    s.respond()
    assert s.due() is None
    done(s)
    assert orjson.loads(s.due() or b"{}")["type"] == "response.create"
    assert s.due() is None


def test_what_was_asked_for_is_awaited_until_a_response_begins() -> None:
    s = session()
    s.respond()
    asked = orjson.loads(s.due() or b"{}")
    assert s.asked_id == asked["event_id"]
    created(s)
    assert s.asked_id == ""
    done(s)
    assert s.asked_id == ""


def test_one_response_for_all_calls_of_a_response() -> None:
    s = session()
    created(s)
    function_call(s, "c1")
    function_call(s, "c2")
    s.answer("r1", "c1", "{}")
    done(s)
    assert s.due() is None, "c2 still owes its answer"
    s.answer("r1", "c2", "{}")
    assert s.due() is not None
    assert s.due() is None


def test_a_call_is_reported_once_and_only_when_complete() -> None:
    s = session()
    assert isinstance(function_call(s, status="incomplete"), events.Unknown)
    assert isinstance(function_call(s), events.FunctionCall)
    assert function_call(s) is None


def test_when_the_server_was_faster_the_response_is_asked_for_again() -> None:
    s = session()
    s.respond()
    assert s.due() is not None
    created(s, "r2")
    give(
        s,
        "error",
        error={"type": "invalid_request_error", "code": "conversation_already_has_active_response"},
    )
    assert s.due() is None
    done(s, "r2")
    assert s.due() is not None


def test_a_response_that_came_too_early_is_asked_for_again_as_it_was() -> None:
    s = session()
    s.respond({"tool_choice": "none"})
    s.due()
    created(s, "r2")
    give(s, "error", error={"type": "e", "code": "conversation_already_has_active_response"})
    done(s, "r2")
    assert orjson.loads(s.due() or b"{}")["response"] == {"tool_choice": "none"}


def test_an_interrupted_caller_is_not_talked_over() -> None:
    """A tool had asked for a response; then the caller took the word."""
    s = session()
    created(s)
    function_call(s)
    s.answer("r1", "c1", "{}")
    s.forget_responses()
    done(s)
    assert s.due() is None


def test_a_late_result_waits_for_the_active_response_and_is_told_once() -> None:
    s = session()
    created(s)
    function_call(s)
    done(s)
    s.respond()
    assert s.due() is None, "the result is owed"
    s.late("r1", "c1")
    assert s.due() is not None
    created(s, "r2")
    s.answer("r1", "c1", "{}")
    assert s.due() is None
    done(s, "r2")
    assert s.due() is not None
    created(s, "r3")
    done(s, "r3")
    assert s.due() is None


def test_a_result_is_told_also_when_something_else_is_to_be_said() -> None:
    s = session()
    created(s)
    function_call(s)
    s.respond({"instructions": "Say this."})
    s.answer("r1", "c1", "{}")
    done(s)
    assert orjson.loads(s.due() or b"{}")["response"] == {"instructions": "Say this."}
    created(s, "r2")
    assert s.due() is None
    done(s, "r2")
    assert "response" not in orjson.loads(s.due() or b"{}")
    assert s.due() is None


def test_a_result_that_the_callers_own_answer_will_know_brings_none_of_its_own() -> None:
    s = session()
    created(s)
    function_call(s)
    s.answer("r1", "c1", "{}")
    give(s, "input_audio_buffer.speech_started", item_id="u1", audio_start_ms=0)
    done(s)
    assert s.due() is None


def test_a_remark_is_made_in_a_quiet_moment_or_not_at_all() -> None:
    s = session()
    remark = {"instructions": "Say that you look."}
    created(s)
    assert s.meanwhile(remark) is None
    done(s)
    message = s.meanwhile(remark)
    CLIENT["ga"].validate_json(message or b"")
    give(s, "error", error={"type": "e", "code": "conversation_already_has_active_response"})
    assert s.due() is None, "somebody else was faster: then it is not needed"


def test_a_second_result_with_the_same_call_id_is_not_asked_for() -> None:
    s = session()
    created(s)
    assert function_call(s) is not None
    done(s)
    s.answer("r1", "c1", "{}")
    assert s.due() is not None
    created(s, "r2")
    assert function_call(s) is None, "a duplicate, late"
    done(s, "r2")
    assert s.due() is None


@pytest.mark.parametrize(("played_ms", "cut_at"), [(0, None), (40, 40), (99, 99), (100, None), (5000, None)])
def test_truncation_is_clamped_to_what_was_received(played_ms: int, cut_at: int | None) -> None:
    s = session()
    audio = b64encode(bytes(4800)).decode()  # 100 ms of PCM16 at 24 kHz
    give(s, "response.output_audio.delta", response_id="r", item_id="i", content_index=2, delta=audio)
    give(s, "response.output_audio.done", response_id="r", item_id="i")
    message = s.truncate("i", played_ms)
    if cut_at is None:
        assert message is None
    else:
        sent = orjson.loads(message or b"{}")
        assert (sent["audio_end_ms"], sent["content_index"]) == (cut_at, 2)


def test_an_item_whose_audio_is_coming_is_cut_to_what_came() -> None:
    """At an under-run all that came was heard, and the server's item is longer."""
    s = session()
    audio = b64encode(bytes(4800)).decode()
    created(s, "r")
    give(s, "response.output_audio.delta", response_id="r", item_id="i", delta=audio)
    for played_ms in (100, 5000):
        assert orjson.loads(s.truncate("i", played_ms) or b"{}")["audio_end_ms"] == 100
    done(s, "r")
    assert s.truncate("i", 100) is None


def test_g711_counts_eight_bytes_a_millisecond() -> None:
    s = session(audio_format="g711_ulaw")
    audio = b64encode(bytes(800)).decode()
    give(s, "response.output_audio.delta", response_id="r", item_id="i", delta=audio)
    assert s.received_ms("i") == 100


def test_extra_session_fields_are_merged_last() -> None:
    extra = {"audio": {"output": {"speed": 1.1}}, "reasoning": {"effort": "low"}}
    body = session(extra=extra).body
    assert body["audio"]["output"] == {
        "format": {"type": "audio/pcm", "rate": 24000},
        "voice": "marin",
        "speed": 1.1,
    }
    assert body["reasoning"] == {"effort": "low"}


@pytest.mark.parametrize(
    "message", [b"", b"[]", b"{}", b'{"type": 3', b'{"type":"response.created"}', b"\xff"]
)
def test_what_is_no_event_is_a_protocol_error(message: bytes) -> None:
    with pytest.raises(ProtocolError):
        session().receive(message)


def test_unknown_events_are_data() -> None:
    event = give(session(), "brand.new", value=1)
    assert event == events.Unknown("brand.new", {"type": "brand.new", "value": 1})


def test_differences_name_what_the_server_did_not_take() -> None:
    asked = {"a": 1, "audio": {"output": {"voice": "marin"}}, "tools": [TOOL], "n": None}
    got = {"a": 1, "audio": {"output": {"voice": "alloy"}}, "tools": [], "more": True}
    assert differences(asked, got) == ["audio.output.voice", "tools"]
    assert differences(asked, merged(asked, {"more": 2})) == []
