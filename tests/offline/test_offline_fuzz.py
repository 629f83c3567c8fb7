"""Whatever a client sends, the session answers with events of the API and goes on."""

import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.offline.wire import CLIENT_EVENTS
from tests.offline.peer import HANGUP, Driver, speech

LEAVES = st.none() | st.booleans() | st.integers(-5, 30000) | st.floats(allow_nan=False) | st.text(max_size=8)
WORDS = st.sampled_from(
    re.findall(
        r"\S+",
        "realtime audio text none auto server_vad semantic_vad audio/pcm audio/pcmu pcm16 message "
        "user assistant function_call function_call_output input_text output_text item_reference "
        "function AAAA root",
    )
)
KEYS = st.sampled_from(
    re.findall(
        r"\S+",
        "type session item response audio input output format turn_detection tools tool_choice name "
        "arguments id role content text item_id audio_end_ms content_index call_id previous_item_id "
        "conversation output_modalities modalities voice threshold event_id",
    )
)
VALUES = st.recursive(
    LEAVES | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)
EVENTS = st.tuples(st.sampled_from(sorted(CLIENT_EVENTS["ga"])), st.dictionaries(KEYS, VALUES, max_size=5))
VALID: list[dict[str, Any]] = [
    {"type": "response.create"},
    {"type": "response.cancel"},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {
        "type": "conversation.item.create",
        "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
    },
]


@given(st.lists(EVENTS, max_size=6), st.sampled_from(["ga", "beta"]))
@settings(max_examples=150, deadline=None)
def test_any_json(events: list[tuple[str, dict[str, Any]]], dialect: Any) -> None:
    driver = Driver(dialect)
    for event_type, fields in events:
        driver.send_raw(json.dumps(fields | {"type": event_type}))
    assert [event["type"] for event in driver.update(instructions="still here")] == ["session.updated"]


@given(st.lists(st.sampled_from(VALID) | st.integers(20, 900), max_size=12))
@settings(max_examples=60, deadline=None)
def test_any_order_of_good_events_and_speech(steps: list[dict[str, Any] | int]) -> None:
    """Every event is of its type (`Driver` checks), and every response created is done exactly once."""
    driver = Driver()
    driver.update(tools=[HANGUP])
    events = []
    for step in steps:
        if isinstance(step, int):
            events += driver.hear(speech(step) if step % 2 else bytes(48 * step))
        else:
            events += driver.send_raw(json.dumps(step))
        if driver.answers and len(driver.answers) % 2:
            running = driver.answers[-1].response_id not in {halt.response_id for halt in driver.halts}
            if running and driver.session.writer(driver.answers[-1].response_id).response.output == []:
                events += driver.speak()
    events += driver.send("response.cancel")
    created = [event["response"]["id"] for event in events if event["type"] == "response.created"]
    done = [event["response"]["id"] for event in events if event["type"] == "response.done"]
    assert created == done
