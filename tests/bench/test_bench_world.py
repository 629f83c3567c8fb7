"""The benchmark at its smallest: a few real calls through the bot as shipped, and through the floor."""

from dataclasses import replace

import pytest

from bench.ratio import FLOOR, LEAN
from bench.world import Setup, World


@pytest.mark.parametrize(
    "setup", [LEAN, replace(LEAN, talk="all"), FLOOR], ids=lambda s: f"{s.name}-{s.talk}"
)
def test_calls_are_held_and_measured(setup: Setup) -> None:
    with World(setup) as world:
        world.grow(8)
        step = world.measure(4.0)
        folder = world.folder
    assert step.calls == 8
    assert step.lost == 0
    assert 19 < step.gap["p50"] < 21
    assert 0 < step.cpu < 10
    assert (step.uplink is None) == (setup.talk == "all"), "marks get through while the caller talks"
    if setup.talk == "half":
        assert (step.downlink is None) == (setup is FLOOR), "the floor sets no marker"
    assert not folder.exists()
    assert not world.tested.running
