"""Whatever comes on Asterisk's event socket is an event or a ProtocolError."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.fuzz_events import fuzz
from bot.ari.events import parse_event
from bot.errors import ProtocolError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_anything(message: bytes) -> None:
    with suppress(ProtocolError):
        parse_event(message)


def test_brackets_without_end() -> None:
    with pytest.raises(ProtocolError):
        parse_event("[" * 200_000)


def test_a_short_run_of_the_loop() -> None:
    result = fuzz("asterisk", 5_000, seed=3)
    assert 0.1 < result["refused"] / 5_000 < 0.9
