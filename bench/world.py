"""One bot, or the floor, among its cheap peers: calls come in, a stretch of time is measured, all is
taken down.

Everything is a process of its own on 127.0.0.1. What limits a measurement without being the bot (callers
or model out of breath, a core that others use) is named in it.
"""

import bisect
import random
import resource
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import yaml

from bench.child import Child, ChildError
from bench.timetable import Talk

SETUPS_PER_SECOND = 50.0
SETTLE_S = 2.0
READY_S = 20.0
RTP_PORTS = 4000
BUSY = 0.85
"""Share of a core from which a peer counts as out of breath."""
LATE_MS = 5.0
"""Callers that send their packets this late (p99) do not measure the bot."""
WAITED_MOST = 0.05
DESCRIPTORS = 16_384


@dataclass(frozen=True)
class Setup:
    """What is measured: the bot as it is configured, or the floor, ``settle_s`` after the latest calls came
    in."""

    name: str
    under_test: Literal["bot", "floor"] = "bot"
    talk: Talk = "half"
    canceller: bool = False
    audio_format: Literal["pcm16", "g711_ulaw"] = "pcm16"
    recording: bool = False
    engine: Literal["webrtc", "silero"] = "webrtc"
    tls: bool = False
    settle_s: float = SETTLE_S


@dataclass(frozen=True)
class Step:
    """Measured at ``calls`` calls. Percentiles by name (p50, p95, p99, max), in milliseconds; ``None``
    where the timetable gives nothing to measure.

    ``cpu``: percent of a core for one call. ``gap``: between two packets at the caller; ``gap_setup``:
    while the calls of this step came in. ``uplink``: datagram sent → append received. ``downlink``: first
    delta sent → first packet at the caller. ``memory_mb``: of one call beyond the first step. ``waited``:
    share of the time that what is tested was ready to run and had no core.
    """

    calls: int
    cpu: float
    gap: dict[str, float]
    gap_setup: dict[str, float]
    lost: int
    uplink: dict[str, float] | None
    downlink: dict[str, float] | None
    loop_late_ms: float | None
    memory_mb: float | None
    setup_p95_ms: float | None
    waited: float
    limits: tuple[str, ...]


class World:
    """``with World(setup) as world``: ``grow(calls)``, then ``measure(seconds)``."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.calls = 0
        self.gc_pause_ms = 0.0  # the longest that any measurement saw
        self._stack = ExitStack()
        self._first_rss: tuple[int, int] | None = None
        self._gap_setup: dict[str, float] = {}
        self._setup_p95_ms: float | None = None
        self.web_port = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            allow_descriptors()
            self.folder = Path(tempfile.mkdtemp(prefix="voicebot-bench-"))
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self.callers, self.callers_port = self._peer(stack, "callers", self.setup.talk)
            certificate = make_certificate(self.folder) if self.setup.tls else ()
            self.model, self.model_port = self._peer(stack, "model", self.setup.talk, *map(str, certificate))
            if self.setup.under_test == "floor":
                self.tested = stack.enter_context(
                    Child(
                        "floor",
                        ["-m", "bench.floor", str(self.model_port)],
                        self.folder / "floor.log",
                        tested=True,
                    )
                )
            else:
                self.ari, ari_port = self._peer(stack, "ari", str(self.callers_port))
                self.tested = stack.enter_context(self._bot(ari_port))
                wait_ready(self.tested, self.web_port)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def grow(self, calls: int) -> None:
        """Let calls come in until there are ``calls``, fifty a second, and let them settle."""
        more = calls - self.calls
        self.callers.ask(READY_S, do="begin")
        if self.setup.under_test == "floor":
            self.tested.ask(READY_S, first=self.calls, calls=more, callers=self.callers_port)
        else:
            patience = more / SETUPS_PER_SECOND + 2 * READY_S
            answer = self.ari.ask(patience, first=self.calls, calls=more, rate=SETUPS_PER_SECOND)
            setups = answer["setups_ms"]
            if len(setups) < more:
                raise ChildError(f"{more - len(setups)} of {more} calls were not set up\n{self._log()}")
            self._setup_p95_ms = round(float(np.percentile(setups, 95)), 1)
        time.sleep(0.5)
        self._gap_setup = self.callers.ask(READY_S, do="end")["gaps_ms"]
        self.calls = calls
        time.sleep(self.setup.settle_s)

    def measure(self, seconds: float) -> Step:
        if self.setup.under_test == "bot":
            self._late_ms()  # a look resets it
        self.callers.ask(READY_S, do="begin")
        self.model.ask(READY_S, do="begin")
        began, cpu, waited = time.monotonic(), self.tested.cpu_s(), self.tested.waited_s()
        dropped = self.tested.dropped()
        time.sleep(seconds)
        took = time.monotonic() - began
        cpu, waited = self.tested.cpu_s() - cpu, (self.tested.waited_s() - waited) / took
        dropped = self.tested.dropped() - dropped
        phone, model = self.callers.ask(READY_S, do="end"), self.model.ask(READY_S, do="end")
        return Step(
            calls=self.calls,
            cpu=cpu / took * 100 / self.calls,
            gap=phone["gaps_ms"],
            gap_setup=self._gap_setup,
            lost=phone["lost"] + dropped,
            uplink=latency(phone["marks"], model["marks"]),
            downlink=latency(model["firsts"], phone["markers"]),
            loop_late_ms=self._late_ms() if self.setup.under_test == "bot" else None,
            memory_mb=self._memory_mb(),
            setup_p95_ms=self._setup_p95_ms,
            waited=waited,
            limits=tuple(_limits(phone, model, waited)),
        )

    # ------------------------------------------------------------------ inside

    def _peer(self, stack: ExitStack, name: str, *arguments: str) -> tuple[Child, int]:
        child = Child(name, ["-m", f"bench.peer_{name}", *arguments], self.folder / f"{name}.log")
        stack.enter_context(child)
        port: int = child.answer(READY_S)["port"]
        return child, port

    def _bot(self, ari_port: int) -> Child:
        self.web_port = free_port()
        ari = {"url": f"http://127.0.0.1:{ari_port}", "password": "bench"}
        return start_bot(self.setup, self.folder, ari, self.model_port, self.web_port)

    def _log(self) -> str:
        """What the bot complained of, else its last words."""
        lines = self.tested.log.read_text(errors="replace").splitlines()
        return "\n".join([line for line in lines if "[error" in line or "[warn" in line][:20] or lines[-20:])

    def _late_ms(self) -> float:
        """A look resets what it sees, the collector's pauses too."""
        found = samples(self.web_port)
        self.gc_pause_ms = max(self.gc_pause_ms, found["voicebot_gc_pause_ms"])
        return found["voicebot_pacer_late_ms"]

    def _memory_mb(self) -> float | None:
        rss = self.tested.rss_bytes()
        if self._first_rss is None:
            self._first_rss = (self.calls, rss)
            return None
        calls, first = self._first_rss
        return (rss - first) / (self.calls - calls) / 1e6 if self.calls > calls else None


def start_bot(setup: Setup, folder: Path, ari: dict[str, str], model_port: int, web_port: int) -> Child:
    """``python -m bot run`` with what the defaults cannot know; ``ari``: where Asterisk is, and its
    password.
    """
    first = random.randrange(20_000, 28_000, 2)
    settings: dict[str, Any] = {
        "provider_name": "openai",
        "asterisk": ari,
        "media": {"rtp": {"ports": f"{first}-{first + RTP_PORTS - 1}"}},
        "openai": {
            "api_key": "bench",
            "base_url": f"{'wss' if setup.tls else 'ws'}://127.0.0.1:{model_port}/v1/realtime",
            "audio_format": setup.audio_format,
        },
        "echo": {"canceller": setup.canceller},
        "calls": {"max_calls": RTP_PORTS // 2},
        "agents": {"default": {"instructions": "{caller_number}", "greeting": "Hello."}},
        "records": {
            "database": str(folder / "calls.sqlite"),
            **({"recordings": str(folder / "recordings")} if setup.recording else {}),
        },
        "vad": {"engine": setup.engine},
        "web": {"port": web_port},
    }
    trust = {"SSL_CERT_FILE": str(folder / "certificate.pem")} if setup.tls else {}
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(settings))
    run = ["-m", "bot", "run", "--config", str(config)]
    return Child("bot", run, folder / "bot.log", trust, tested=True)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Of 127.0.0.1, for an hour or so: certificate and key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"]
    new = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run([*new, *subject], check=True, capture_output=True)
    return certificate, key


def wait_ready(bot: Child, web_port: int) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and bot.running:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{web_port}/readyz", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise ChildError(f"the bot is not ready\n{bot.log.read_text(errors='replace')[-3000:]}")


def metric(web_port: int, name: str) -> float:
    """One sample of the bot's ``/metrics``."""
    found = samples(web_port)
    if name not in found:
        raise ChildError(f"the bot has no metric {name}")
    return found[name]


def samples(web_port: int) -> dict[str, float]:
    """The bot's ``/metrics`` that have no labels."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{web_port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
    except OSError as error:
        raise ChildError(f"the bot does not answer ({error})") from error
    pairs = (line.split() for line in lines if not line.startswith("#"))
    return {pair[0]: float(pair[1]) for pair in pairs if "{" not in pair[0]}


def latency(
    sent: list[tuple[int, float]], received: list[tuple[int, float]], within_s: float = 0.4
) -> dict[str, float] | None:
    """Each (call, time) of ``sent`` with the next of its call in ``received``; percentiles in
    milliseconds.
    """
    arrivals: dict[int, list[float]] = {}
    for index, when in received:
        arrivals.setdefault(index, []).append(when)
    delays = []
    for index, when in sent:
        times = arrivals.get(index, [])
        at = bisect.bisect_left(times, when)
        if at < len(times) and times[at] - when < within_s:
            delays.append((times[at] - when) * 1000)
    if not delays:
        return None
    names = {"p50": 50, "p95": 95, "p99": 99, "max": 100}
    return {name: round(float(np.percentile(delays, share)), 2) for name, share in names.items()}


def _limits(phone: dict[str, Any], model: dict[str, Any], waited: float) -> list[str]:
    limits = []
    if phone["cpu"] > BUSY:
        limits.append(f"the callers use {phone['cpu']:.0%} of a core")
    if phone["late_ms"]["p99"] > LATE_MS:
        limits.append(f"the callers send {phone['late_ms']['p99']:.0f} ms late")
    if model["cpu"] > BUSY:
        limits.append(f"the model uses {model['cpu']:.0%} of a core")
    if waited > WAITED_MOST:
        limits.append(f"what is tested waited {waited:.0%} of the time for a core")
    return limits


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def allow_descriptors() -> None:
    """Two sockets a call: more than the usual 1024; children inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
