"""Whatever the model sends is an event or a ProtocolError, through all that a session does with it."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.fuzz_events import MODEL_EVENTS, fuzz, new_session, through_model_session
from bot.errors import ProtocolError
from bot.realtime.events import READERS, read

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def receive(message: bytes) -> None:
    try:
        through_model_session(random.Random(1))(message)
    except ProtocolError:
        pass


def test_the_samples_name_every_event_that_is_read() -> None:
    named = {event["type"] for event in MODEL_EVENTS}
    twins = {name.replace("output_audio", "audio") for name in named}
    assert set(READERS) <= named | twins


@given(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_anything(message: bytes) -> None:
    receive(message)


@settings(max_examples=300)
@given(st.data())
def test_any_field_may_hold_anything(data: st.DataObject) -> None:
    event: dict[str, Any] = json.loads(json.dumps(data.draw(st.sampled_from(MODEL_EVENTS))))
    place = event
    while isinstance(inner := place[name := data.draw(st.sampled_from(sorted(place)))], dict) and inner:
        if data.draw(st.booleans()):
            break
        place = inner
    place[name] = data.draw(json_values)
    receive(json.dumps(event).encode())


@pytest.mark.parametrize("field", ["item_id", "content_index"])
def test_a_field_of_another_kind_is_a_protocol_error(field: str) -> None:
    event = next(event for event in MODEL_EVENTS if event["type"] == "response.output_audio.delta")
    read(json.dumps(event))
    with pytest.raises(ProtocolError, match=field):
        new_session().receive(json.dumps({**event, field: ["a"]}))


def test_a_short_run_of_the_loop() -> None:
    result = fuzz("model", 20_000, seed=3)
    assert 0.1 < result["refused"] / 20_000 < 0.5  # the mutations do bite, and much is understood
