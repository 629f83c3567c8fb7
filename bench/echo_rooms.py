"""Synthetic calls over an echoing line: what left for the caller, what came back, and who spoke when.

The way of the sound: agent → μ-law → (the far frame) → loudspeaker distortion → room → + caller + noise
→ μ-law → (the near frame). Levels are in dB against the agent's 3277 RMS.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.echo_voices import SAMPLE_RATE, Corpus
from bot.audio import g711

Signal = NDArray[np.float64]
AGENT_RMS = 3277.0
FRAME = 160


@dataclass(frozen=True)
class Line:
    """One kind of echo path. ``echo_db`` None means none; ``distortion_db`` is the loudspeaker's.

    ``change_every_s`` draws a new room (same level; delay ± 15 ms) that often; ``jump_ms`` is added to the
    delay half-way.
    """

    echo_db: float | None = -12.0
    delay_ms: float = 250.0
    distortion_db: float = 22.0
    t60_ms: float = 250.0
    noise_rms: float = 15.0
    skew_ppm: float = 0.0
    change_every_s: float = 0.0
    jump_ms: float = 0.0


class Talk(NamedTuple):
    """Something the caller does: frames ``[start, end)``; ``agent_s`` of agent speech came before it."""

    start: int
    end: int
    level_db: float
    kind: str
    agent_s: float


class Call(NamedTuple):
    """``far`` and ``near`` are PCM16 frames of equal count; ``loud[k]``: the agent speaks in frame k."""

    far: list[bytes]
    near: list[bytes]
    talks: list[Talk]
    loud: NDArray[np.bool_]
    caller: Signal


def call(
    rng: np.random.Generator,
    corpus: Corpus,
    line: Line,
    *,
    seconds: float,
    caller: str = "silent",
    after_s: float = 7.0,
) -> Call:
    """A call of agent turns 1.2–2.5 s apart. ``caller``: ``silent``, ``speech`` or ``cough``.

    A third of the speech is backchannels. The caller speaks over the agent about every 5 s, first after
    ``after_s`` seconds of agent speech.
    """
    count = int(seconds * 50) * FRAME
    agent, loud = _agent(rng, corpus, count)
    sent = _ulaw(agent * AGENT_RMS)
    voice, talks = _caller(rng, corpus, loud, count, caller, after_s)
    received = _echo(rng, sent, line) + voice * AGENT_RMS + line.noise_rms * _hiss(rng, count)
    return Call(_frames(sent), _frames(_ulaw(received)), talks, loud, voice)


def agent_frames(corpus: Corpus) -> list[bytes]:
    """One agent's lines without a pause between them."""
    lines = np.concatenate(corpus.agents[0])
    return _frames(_ulaw(lines[: len(lines) // FRAME * FRAME] * AGENT_RMS))


def mixed(sound: Call, voice: Signal) -> Call:
    """The same call with ``voice`` (PCM16 units, as long as the call) on the caller's line."""
    return sound._replace(near=_frames(_ulaw(pcm(sound.near) + voice)))


def pcm(frames: list[bytes]) -> Signal:
    return np.frombuffer(b"".join(frames), "<i2").astype(np.float64)


def _agent(rng: np.random.Generator, corpus: Corpus, count: int) -> tuple[Signal, NDArray[np.bool_]]:
    agent, position = np.zeros(count), 25 * FRAME
    lines = corpus.agents[rng.integers(len(corpus.agents))]
    while position < count:
        line = lines[rng.integers(len(lines))][: count - position]
        agent[position : position + len(line)] = line
        position += len(line) + int(rng.uniform(1.2, 2.5) * 50) * FRAME
    level = np.sqrt((agent.reshape(-1, FRAME) ** 2).mean(axis=1))
    return agent, np.convolve(level > 0.03, np.ones(15), "same") > 0


def _caller(
    rng: np.random.Generator, corpus: Corpus, loud: NDArray[np.bool_], count: int, kind: str, after_s: float
) -> tuple[Signal, list[Talk]]:
    voice, talks = np.zeros(count), list[Talk]()
    if kind == "silent":
        return voice, talks
    spoken_s = np.cumsum(loud) / 50
    who = int(rng.integers(len(corpus.callers)))
    frame = int(np.searchsorted(spoken_s, after_s) + rng.integers(0, 100))
    while frame < len(loud) - 150:
        if not loud[frame : frame + 15].all():
            frame += 5
            continue
        sort = "cough" if kind == "cough" else ("backchannel" if rng.random() < 1 / 3 else "words")
        sound = cough(rng) if sort == "cough" else _utterance(rng, corpus, who, sort)
        sound = sound[: count - frame * FRAME]
        level = rng.uniform(-20, -6)
        voice[frame * FRAME : frame * FRAME + len(sound)] += sound * 10 ** (level / 20)
        end = frame + len(sound) // FRAME
        talks.append(Talk(frame, end, level, sort, float(spoken_s[frame])))
        frame = end + int(rng.uniform(100, 250))
    return voice, talks


def _utterance(rng: np.random.Generator, corpus: Corpus, who: int, sort: str) -> Signal:
    lines = (corpus.backchannels if sort == "backchannel" else corpus.callers)[who]
    return lines[rng.integers(len(lines))]


def cough(rng: np.random.Generator) -> Signal:
    """One to three bursts of low-passed noise, 120–250 ms each, with a sharp start."""
    bursts = []
    for _ in range(rng.integers(1, 4)):
        length = int(rng.uniform(0.12, 0.25) * SAMPLE_RATE) // FRAME * FRAME
        noise = np.convolve(rng.normal(size=length), np.hanning(6), "same")
        noise *= np.exp(-3 * np.arange(length) / length)
        bursts += [noise / np.sqrt((noise**2).mean()), np.zeros(FRAME * 4)]
    return np.concatenate(bursts)


def _hiss(rng: np.random.Generator, count: int) -> Signal:
    noise = np.convolve(rng.normal(size=count), [1, 0.6, 0.3], "same")
    hiss: Signal = noise / noise.std()
    return hiss


def _echo(rng: np.random.Generator, sent: Signal, line: Line) -> Signal:
    if line.echo_db is None:
        return np.zeros(len(sent))
    played = _distorted(sent, line.distortion_db)
    every = int(line.change_every_s * SAMPLE_RATE) or (len(sent) // 2 if line.jump_ms else len(sent))
    echo, fade = np.zeros(len(sent)), 400
    for number, start in enumerate(range(0, len(sent), every)):
        delay = line.delay_ms + (
            line.jump_ms * number if line.jump_ms else rng.uniform(-15, 15) * (number > 0)
        )
        part = _convolve(played, _room(rng, delay, line.t60_ms))
        part *= 10 ** (line.echo_db / 20) * _active_rms(played) / _active_rms(part)
        weight = np.zeros(len(sent))
        weight[start : start + every] = 1
        if start:
            weight[start : start + fade] = np.linspace(0, 1, fade)
        if start + every < len(sent):
            tail = weight[start + every : start + every + fade]
            tail[:] = np.linspace(1, 0, fade)[: len(tail)]
        echo += part * weight
    return _skewed(echo, line.skew_ppm) if line.skew_ppm else echo


def _room(rng: np.random.Generator, delay_ms: float, t60_ms: float) -> Signal:
    """A direct sound with a little loudspeaker ringing, then exponentially decaying noise 3 dB below it."""
    delay, tail = int(delay_ms * 8), int(t60_ms * 8)
    decay = 10 ** (-3 * np.arange(tail) / tail)
    reverb = rng.normal(size=tail) * decay
    reverb *= np.sqrt(0.5 / (reverb**2).sum())
    direct = rng.normal(size=12) * np.exp(-np.arange(12) / 2.5)
    reverb[:12] += direct / np.sqrt((direct**2).sum())
    return np.concatenate([np.zeros(delay), reverb])


def _distorted(samples: Signal, distortion_db: float) -> Signal:
    """μ-law once more, and soft clipping as hard as the wanted signal to distortion needs."""
    return _ulaw(_clipped(samples, _ceiling(samples, distortion_db)))


def _ceiling(samples: Signal, distortion_db: float) -> float:
    """The level at which soft clipping leaves just ``distortion_db`` of signal to distortion."""
    low, high = 0.01, 30.0
    rms = _active_rms(samples)
    for _ in range(30):
        drive = np.sqrt(low * high)
        clipped = _clipped(samples, 3 * rms / drive)
        gain = (clipped @ samples) / (samples @ samples)
        ratio = 10 * np.log10(((gain * samples) ** 2).sum() / ((clipped - gain * samples) ** 2).sum())
        low, high = (drive, high) if ratio > distortion_db else (low, drive)
    return float(3 * rms / drive)


def _clipped(samples: Signal, ceiling: float) -> Signal:
    clipped: Signal = np.tanh(samples / ceiling) * ceiling
    return clipped


def _skewed(samples: Signal, ppm: float) -> Signal:
    """Read at a clock ``ppm`` fast: windowed-sinc interpolation, 16 taps."""
    where = np.arange(len(samples)) * (1 - ppm * 1e-6)
    whole = where.astype(int)
    out, padded = np.zeros(len(samples)), np.pad(samples, 8)
    for tap in range(-7, 9):
        offset = tap - (where - whole)
        out += padded[whole + tap + 8] * np.sinc(offset) * np.cos(np.pi * offset / 17) ** 2
    return out


def _convolve(signal: Signal, taps: Signal) -> Signal:
    size = 1 << (len(signal) + len(taps)).bit_length()
    out: Signal = np.fft.irfft(np.fft.rfft(signal, size) * np.fft.rfft(taps, size), size)[: len(signal)]
    return out


def _active_rms(samples: Signal) -> float:
    power = (samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME) ** 2).mean(axis=1)
    return float(np.sqrt(power[power > power.max() * 10**-2.5].mean()))


def _ulaw(samples: Signal) -> Signal:
    pcm = np.clip(np.round(samples), -32768, 32767).astype("<i2").tobytes()
    return np.frombuffer(g711.ULAW.decode(g711.ULAW.encode(pcm)), "<i2").astype(np.float64)


def _frames(samples: Signal) -> list[bytes]:
    return [row.tobytes() for row in samples.astype("<i2").reshape(-1, FRAME)]


class Room:
    """The same path, live and frame by frame: what the phone was given comes back in what it sends.

    ``sample`` (the agent's voice, as PCM) sets the levels. With ``change_every_s`` the room becomes another
    one that often or, with ``jump_ms``, the delay grows by as much. A line without an echo still has its
    noise. ``delay_ms`` is at least 60, or the far sound would be due before it came.
    """

    LEAD, LONGEST = 2 * SAMPLE_RATE, 600 * SAMPLE_RATE

    def __init__(self, rng: np.random.Generator, line: Line, sample: Signal) -> None:
        self._rng = rng
        self._line = line
        self._noise = np.rint(line.noise_rms * _hiss(rng, 10 * SAMPLE_RATE))
        self._played = np.zeros(self.LEAD + self.LONGEST, np.float32)
        self._heard = self.LEAD  # far samples, and two seconds of silence before them
        self._began: int | None = None  # the far sample at which the phone's own microphone began
        self._near = 0
        self._rooms = 0
        self._delay_ms = line.delay_ms
        if line.echo_db is not None:
            self._ceiling = _ceiling(sample, line.distortion_db)
            self._sample = _distorted(sample, line.distortion_db)
            self._tail = self._new_tail()

    def hear(self, frame: Signal) -> None:
        """A frame that reaches the phone."""
        if self._line.echo_db is not None:
            self._played[self._heard : self._heard + len(frame)] = _ulaw(_clipped(frame, self._ceiling))
        self._heard += len(frame)

    def answer(self, frame: Signal) -> Signal:
        """What the phone sends when its user says ``frame``."""
        if self._began is None:
            self._began = self._heard
        start = self._began + self._near
        noise = np.take(self._noise, np.arange(self._near, self._near + len(frame)), mode="wrap")
        self._near += len(frame)
        heard: Signal = frame + noise
        if self._line.echo_db is None:
            return heard
        echo = self._echo(start, len(frame))
        if self._changes():
            rise = np.linspace(0, 1, len(frame))
            echo = echo * (1 - rise) + self._echo(start, len(frame)) * rise
        return heard + echo

    def _changes(self) -> bool:
        every_s = self._line.change_every_s
        rooms = int(self._near / SAMPLE_RATE / every_s) if every_s else 0
        if rooms == self._rooms:
            return False
        self._rooms = rooms
        if self._line.jump_ms:
            self._delay_ms = self._line.delay_ms + rooms * self._line.jump_ms
        else:
            self._delay_ms = self._line.delay_ms + self._rng.uniform(-15, 15)
            self._tail = self._new_tail()
        return True

    def _new_tail(self) -> Signal:
        """How the room answers from the direct sound on, at the line's level."""
        assert self._line.echo_db is not None
        tail = _room(self._rng, 0, self._line.t60_ms)
        level = _active_rms(self._sample) / _active_rms(_convolve(self._sample, tail))
        scaled: Signal = tail * level * 10 ** (self._line.echo_db / 20)
        return scaled

    def _echo(self, start: int, count: int) -> Signal:
        """``count`` samples of echo, the first of them beside far sample ``start``."""
        first = start - int(self._delay_ms * 8)
        out: Signal = np.convolve(
            self._played[first - len(self._tail) + 1 : first + count], self._tail, "valid"
        )
        return out
