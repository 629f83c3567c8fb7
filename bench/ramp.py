"""What is measured, in which order, and when a ramp is over."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.child import ChildError
from bench.ratio import FLOOR, LEAN
from bench.world import Setup, Step, World

GAP_P99_MS = 30.0
RAMP = (10, 50, 100, 200, 300, 400)
REFERENCE = (50, 100, 200)
LEARNING = Setup("shipped, a call's first seconds", canceller=True)
SHIPPED = Setup("shipped", canceller=True, settle_s=24.0)
"""Three turns of the agent: the canceller has learned by then what comes back."""
PLAN: tuple[tuple[Setup, tuple[int, ...]], ...] = (
    (LEAN, RAMP),
    (Setup("lean, agent talks always", talk="all"), RAMP),
    (SHIPPED, REFERENCE),
    (LEARNING, REFERENCE[:2]),
    (Setup("G.711 to the model", audio_format="g711_ulaw"), REFERENCE),
    (FLOOR, REFERENCE),
)
QUICK_PLAN = ((LEAN, (20, 100)),)


@dataclass(frozen=True)
class Row:
    """One setup's ramp. ``stopped``: why it went no further, empty when it reached its last step."""

    name: str
    steps: tuple[Step, ...]
    stopped: str


def run(setup: Setup, ramp: tuple[int, ...], seconds: float, show: Callable[[Step], None]) -> Row:
    """Until the gap's p99 passes 30 ms, a packet is lost, or calls can no longer be set up."""
    steps: list[Step] = []
    stopped = ""
    with World(setup) as world:
        for calls in ramp:
            try:
                world.grow(calls)
                step = world.measure(seconds)
            except ChildError as error:
                stopped = f"{str(error).splitlines()[0]} at {calls} calls"
                break
            steps.append(step)
            show(step)
            if stopped := why_stop(step):
                break
    return Row(setup.name, tuple(steps), stopped)


def why_stop(step: Step) -> str:
    if step.lost:
        return f"{step.lost} packets lost at {step.calls} calls"
    if step.gap["p99"] > GAP_P99_MS:
        return f"gap p99 of {step.gap['p99']:.0f} ms at {step.calls} calls"
    return ""
