"""What the canceller leaves of the caller's words: ``python -m bench.echo_words [--raw] [--voices N]``.

A caller 12 dB below the agent says 40 sentences in 3 voices, some 8 s into a call, while the agent talks on.
Whisper (tiny.en) hears each alone on the line, and then over the agent after the canceller. Printed are the
words that it gets wrong, and the paired difference with its 95 % interval. Half an hour on one core.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench import echo_voices
from bench.echo_lab import A, B, listen
from bench.echo_rooms import FRAME, Call, Line, Signal, call, mixed, pcm
from bench.echo_voices import Corpus, Voice
from bot.offline.ears import transcribe

LINES = {"no echo": Line(echo_db=None), "A: -12 dB, 250 ms": A, "B: -6 dB, 400 ms": B}
VOICES = (Voice("piper", "joe", 1.16), Voice("piper", "joe", 0.9), Voice("espeak", "en-us+f3"))
CALLER_DB, CALLER_RMS = -12, 823.0
SECONDS, AFTER_S, MARGIN = 20, 8, 25
"""Of a call, of the caller's start, and frames before and after the sentence that Whisper hears as well."""
SILENCE = Corpus([[np.zeros(SECONDS * 8000)]], [], [])
"""An agent who says nothing: the caller alone on the line."""
SENTENCES = (
    "Sorry, can I stop you there for a second?",
    "No, that is not what I asked for.",
    "Wait, I would like to speak to a person please.",
    "Could you say the number again?",
    "Yes, the fifteenth is fine for me.",
    "Excuse me, I have a different question.",
    "My name is Helen Carter, with a C.",
    "I already paid that bill last week.",
    "Hold on, what about the meter reading?",
    "Please cancel the appointment on Thursday.",
    "I want to talk to somebody in the sales department.",
    "The heating in our house has been broken since Monday.",
    "Can you send the letter to my new address instead?",
    "We moved to a smaller flat at the end of June.",
    "That sounds good, but it is too expensive for us.",
    "How long will it take until the engineer arrives?",
    "I think there is a mistake in the last invoice.",
    "Is it possible to pay by credit card today?",
    "My daughter will be at home in the afternoon.",
    "Thank you, but I only need the opening hours.",
    "There is no water in the kitchen at all.",
    "Let me get a pen and write that down.",
    "I called yesterday and nobody phoned me back.",
    "Would Tuesday morning at ten be possible as well?",
    "The number on the letter is four seven nine two.",
    "We have been waiting for more than three weeks.",
    "Can you hear me? The line is very bad.",
    "I would rather keep the contract that I have now.",
    "Do you need the number of my bank account?",
    "Please tell her that I will call again tomorrow.",
    "It was working fine before the storm last night.",
    "What happens if I do not pay until Friday?",
    "My husband has already spoken to your colleague.",
    "Stop, that is the wrong street and the wrong town.",
    "I need a receipt for the whole year please.",
    "Are there any other options for a small family?",
    "You can reach me under this number after six.",
    "The card was stolen while we were on holiday.",
    "I do not understand what this fee is for.",
    "That is all I wanted to know, thank you very much.",
)


class Said(NamedTuple):
    """Words of a sentence, and how many of them Whisper got wrong alone and cancelled."""

    words: int
    alone: int
    cancelled: int


def over(rng: np.random.Generator, corpus: Corpus, line: Line, voice: Signal) -> tuple[Call, slice]:
    """A call in which ``voice`` is said while the agent talks, and where that is (samples)."""
    silent = call(rng, corpus, line, seconds=SECONDS)
    frames = -(-len(voice) // FRAME)
    busy = np.convolve(silent.loud, np.ones(frames), "valid")[50 * AFTER_S : -MARGIN]
    start = 50 * AFTER_S + int(busy.argmax())  # where the agent pauses least
    said = np.zeros(len(silent.far) * FRAME)
    said[start * FRAME : start * FRAME + len(voice)] = voice * CALLER_RMS
    return mixed(silent, said), slice((start - MARGIN) * FRAME, (start + frames + MARGIN) * FRAME)


def wrong(text: str, samples: Signal) -> tuple[int, int]:
    """Words of ``text``, and how many of them Whisper gets wrong in ``samples`` (8 kHz)."""
    import jiwer

    loudest = float(np.abs(samples).max())
    heard = transcribe((samples * 16000 / loudest).astype("<i2").tobytes(), 8000)
    found = jiwer.process_words(plain(text), plain(heard))
    return len(plain(text).split()), found.substitutions + found.deletions + found.insertions


def plain(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum() or c == " ")


def measure(corpus: Corpus, voice: list[Signal], seed: int, cancel: bool) -> dict[str, list[Said]]:
    """By line, every sentence of one voice. ``cancel`` False: heard over the bare echo instead."""
    found: dict[str, list[Said]] = {name: [] for name in LINES}
    for number, text in enumerate(SENTENCES):
        quiet, span = over(np.random.default_rng((seed, number)), SILENCE, LINES["no echo"], voice[number])
        words, alone = wrong(text, pcm(quiet.near)[span])
        for name, line in LINES.items():
            sound, span = over(np.random.default_rng((seed, number)), corpus, line, voice[number])
            left = listen(sound).residual if cancel else pcm(sound.near)
            found[name].append(Said(words, alone, wrong(text, left[span])[1]))
    return found


def interval(said: list[Said]) -> tuple[float, float, float]:
    """How many words of 100 more than alone are wrong, and the 95 % interval of that: the bootstrap's."""
    table = np.array([(one.words, one.cancelled - one.alone) for one in said], float)
    picks = np.random.default_rng(1).integers(len(table), size=(4000, len(table)))
    words, more = table[picks].sum(axis=1).T
    low, high = np.percentile(100 * more / words, [2.5, 97.5])
    return float(100 * table[:, 1].sum() / table[:, 0].sum()), float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description="Words of a caller who talks over the agent's echo.")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--voices", type=int, default=len(VOICES), help="how many of the three")
    parser.add_argument("--raw", action="store_true", help="without the canceller")
    parser.add_argument("--cache", type=Path, default=echo_voices.CACHE)
    args = parser.parse_args()
    corpus = echo_voices.load(args.cache)
    found: dict[str, list[Said]] = {name: [] for name in LINES}
    for who, voice in enumerate(VOICES[: args.voices]):
        spoken = echo_voices.speak(args.cache, voice, SENTENCES)
        for name, said in measure(corpus, spoken, args.seed + who, not args.raw).items():
            found[name] += said
            print(".", end="", flush=True)
    print("\n| line | words wrong alone | over the agent | more, 95 % interval |\n|---|---|---|---|")
    for name, said in found.items():
        words, alone, over_agent = (sum(column) for column in zip(*said, strict=True))
        more, low, high = interval(said)
        shares = f"{100 * alone / words:.1f} % | {100 * over_agent / words:.1f} %"
        print(f"| {name} | {shares} | {more:+.1f} ({low:+.1f} to {high:+.1f}) |")


if __name__ == "__main__":
    main()
