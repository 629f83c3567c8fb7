"""The service's Prometheus metrics, named in one place. Figures of a call are added when it has ended."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)


class Metrics:
    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.calls = Counter(
            "voicebot_calls", "Calls that have ended.", ["outcome", "ended_by"], registry=registry
        )
        self.refused = Counter(
            "voicebot_calls_refused", "Calls that were sent on at once.", ["why"], registry=registry
        )
        self.call_seconds = Histogram(
            "voicebot_call_seconds",
            "Length of a call.",
            buckets=(5, 15, 30, 60, 120, 300, 600, 1800, 3600),
            registry=registry,
        )
        self.first_audio = Histogram(
            "voicebot_first_audio_seconds",
            "Answer to the agent's first audio on the wire.",
            buckets=SECONDS,
            registry=registry,
        )
        self.turn_latency = Histogram(
            "voicebot_turn_latency_seconds",
            "Caller's last voice to the agent's first audio on the wire.",
            buckets=SECONDS,
            registry=registry,
        )
        self.interruptions = Counter("voicebot_interruptions", "Committed barge-ins.", registry=registry)
        self.tools = Counter("voicebot_tool_calls", "Function calls.", ["tool", "result"], registry=registry)
        self.tokens = Counter("voicebot_tokens", "Tokens the model reported.", ["kind"], registry=registry)
        self.voice = Counter(
            "voicebot_voice", "Counts of both ways of the voice.", ["what"], registry=registry
        )

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A gauge that is read when it is asked for."""
        Gauge(name, text, registry=self.registry).set_function(read)

    def as_text(self) -> bytes:
        return generate_latest(self.registry)
