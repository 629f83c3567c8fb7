"""How long a caller hears nothing, through a real Asterisk: ``python -m bench.first_word``.

Two moments: after the answer, and after each of his turns. What the model itself takes is in the first and
not in the second; the figures are those of the calls' records.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from bench.bounds import Verdict
from bench.report import verdict_line, where
from tests.e2e.asterisk import Asterisk
from tests.e2e.bot import Bot, Model
from tests.e2e.phone import Phone
from tests.e2e.sound import speak, write_wav

CALLS = 20
TURNS = ("When are you open?", "And on Saturdays?")
GREETING = "Hello, this is Harbour Bikes. How can I help you?"


def main() -> int:
    """1 when a bound is missed."""
    print(where(), flush=True)
    kept = []
    with Asterisk() as asterisk, tempfile.TemporaryDirectory(prefix="voicebot-bench-") as folder:
        audio = Path(folder) / "greeting.wav"
        write_wav(audio, speak(GREETING))
        recorded = {"default": {"greeting": GREETING, "greeting_audio": str(audio)}}
        with _bot(asterisk, scripted=False) as bot:
            answered = _calls(asterisk, bot)
        kept.append(_told("answer → first audio, embedded model, ms", _first(answered), 400))
        with _bot(asterisk, scripted=True, openai={"warm_sessions": 2}, agents=recorded) as bot:
            talked = _calls(asterisk, bot, TURNS)
        kept.append(_told("answer → first audio, warm session and recording, ms", _first(talked), 60))
    turns = [turn for row in talked for turn in row["quality"]["turns"]]
    for part in ("end_of_speech", "silence", "model", "decode", "pacing"):
        print(f"      {part}: p95 {_p95([turn[f'{part}_ms'] for turn in turns]):.1f} ms")
    kept.append(_told("own share of a turn, ms", [turn["own_ms"] for turn in turns], 60))
    return int(not all(kept))


@contextmanager
def _bot(asterisk: Asterisk, *, scripted: bool, **blocks: Any) -> Iterator[Bot]:
    quiet = {"level": "INFO", "transcripts": False}
    with Model(scripted=scripted) as model, Bot(asterisk, model.url, logging=quiet, **blocks) as bot:
        yield bot


def _calls(asterisk: Asterisk, bot: Bot, turns: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    with Phone(asterisk) as phone:
        for n in range(CALLS):
            phone.dial("100")
            phone.wait_heard(10)
            for sentence in turns:
                phone.wait_silence(0.6)
                phone.say(sentence)
                phone.wait_heard(10, after=time.monotonic())
            phone.hangup()
            bot.wait_ended(n + 1)
    return bot.calls()


def _first(rows: list[dict[str, Any]]) -> list[float]:
    return [row["first_audio_ms"] for row in rows]


def _told(what: str, values: list[float], bound: float) -> bool:
    measured = _p95(values)
    label = f"{what}, p95 of {len(values)} (median {median(values):.1f})"
    print(verdict_line(Verdict(label, f"{measured:.1f}", f"≤ {bound:g}", measured <= bound)), flush=True)
    return measured <= bound


def _p95(values: list[float]) -> float:
    return quantiles(values, n=20, method="inclusive")[-1]


if __name__ == "__main__":
    sys.exit(main())
