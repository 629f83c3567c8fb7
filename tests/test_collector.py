"""The garbage collector leaves calls in progress alone."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from bot.collector import ENDED_MOST, Collector


class Part:
    """Of a call: it knows another part."""

    def __init__(self) -> None:
        self.other = self


@pytest.fixture
def collector() -> Iterator[Collector]:
    thresholds = gc.get_threshold()
    made = Collector()
    made.start()
    yield made
    made.stop()
    gc.set_threshold(*thresholds)


def ended(collector: Collector) -> weakref.ref[Part]:
    """An old call that has ended; it is in the oldest generation."""
    part = Part()
    gc.collect(1)
    return weakref.ref(part)


def test_what_is_left_of_calls_goes_when_nobody_calls(collector: Collector) -> None:
    left = ended(collector)
    collector.call_ended(1)
    assert left() is not None
    collector.call_ended(0)
    assert left() is None


def test_or_when_many_have_ended(collector: Collector) -> None:
    left = ended(collector)
    for _ in range(ENDED_MOST - 1):
        collector.call_ended(200)
    assert left() is not None
    collector.call_ended(200)
    assert left() is None


def test_the_longest_pause_is_told_once(collector: Collector) -> None:
    gc.collect()
    assert collector.take_pause_ms() > 0
    assert collector.take_pause_ms() == 0
