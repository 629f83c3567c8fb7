"""The service's Prometheus metrics, named in one place. Figures of a call are added when it has ended."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

MOS = (1.5, 2.0, 2.5, 3.0, 3.3, 3.6, 3.8, 4.0, 4.1, 4.2, 4.3, 4.4)
JITTER_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2)
SHORT_S = (0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
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
        self.turn_part = Histogram(
            "voicebot_turn_part_seconds",
            "A turn's latency in its parts.",
            ["part"],
            buckets=SHORT_S,
            registry=registry,
        )
        self.stop = Histogram(
            "voicebot_barge_in_stop_seconds",
            "Interruption to the last packet with the agent's voice.",
            ["since"],
            buckets=SHORT_S,
            registry=registry,
        )
        self.mos = Histogram(
            "voicebot_mos", "Estimated MOS of a call, by way.", ["way"], buckets=MOS, registry=registry
        )
        self.jitter = Histogram(
            "voicebot_jitter_seconds",
            "Interarrival jitter at the end of a call, by way.",
            ["way"],
            buckets=JITTER_S,
            registry=registry,
        )
        self.interruptions = Counter("voicebot_interruptions", "Committed barge-ins.", registry=registry)
        self.tools = Counter("voicebot_tool_calls", "Function calls.", ["tool", "result"], registry=registry)
        self.tool_seconds = Histogram(
            "voicebot_tool_seconds",
            "Function call to its result.",
            ["tool"],
            buckets=(*SECONDS, 30.0, 60.0, 120.0),
            registry=registry,
        )
        self.tokens = Counter("voicebot_tokens", "Tokens the model reported.", ["kind"], registry=registry)
        self.voice = Counter(
            "voicebot_voice", "Counts of both ways of the voice.", ["what"], registry=registry
        )

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A gauge that is read when it is asked for."""
        Gauge(name, text, registry=self.registry).set_function(read)

    def as_text(self) -> bytes:
        return generate_latest(self.registry)
