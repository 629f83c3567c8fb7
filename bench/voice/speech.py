"""Spoken sentences to send down the line, in three voices; spoken once and kept in the cache folder.

Needs espeak-ng, and for the voices of Piper the extra ``offline``. The sentences hold no figures and no
names, which ears may write in several ways.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.echo_voices import Voice, recorded
from bot.offline.formats import resample
from tests.e2e.asterisk import cache_folder

Pcm = NDArray[np.int16]

MODEL_HZ, PHONE_HZ = 24000, 8000
LEVEL_RMS = 3277
"""-20 dBov over the frames that hold speech."""
VOICES = (Voice("piper", "joe"), Voice("piper", "joe", 1.16), Voice("espeak", "en-us+f3"))
LEAD_S, PAUSE_S, MARGIN_S = 1.0, 1.0, 0.3

SENTENCES = (
    "I would like to change the date of my appointment.",
    "The parcel that came this morning was open and half empty.",
    "Could you please tell me when the office opens tomorrow?",
    "My sister will collect the keys on the way home from work.",
    "There is water dripping from the ceiling in the kitchen.",
    "Please send the letter to my new address and not to the old one.",
    "We waited at the station, but the last train had already left.",
    "I think there has been a mistake with my latest bill.",
    "The garden looks lovely after all the rain that we have had.",
    "He forgot his umbrella on the bus and had to walk home wet.",
    "How long does it usually take to get an answer from you?",
    "The children want to visit their grandparents during the holidays.",
    "Nobody told us that the road would be closed for the whole week.",
    "I need a quiet room with a view of the river if you have one.",
    "The heating makes a strange noise as soon as it gets cold outside.",
    "She bought fresh bread, a bottle of milk and some yellow flowers.",
    "Can I pay the invoice by card, or do you only take cash?",
    "The doctor said that I should rest and drink plenty of tea.",
    "Our neighbours have a big black dog that barks every night.",
    "Please cancel my order, because I have found it somewhere cheaper.",
    "The battery of my telephone is nearly empty, so let us be quick.",
    "They moved the meeting to the afternoon without asking anyone.",
    "I would rather speak to somebody who knows about contracts.",
    "The blue suitcase is mine, and the small one belongs to my wife.",
    "It was so foggy that we could hardly see the other side of the street.",
    "Is there a bakery near the church that is open on holidays?",
    "My computer shows a message that I do not understand at all.",
    "The plumber promised to come early, but he never showed up.",
    "We would like a table by the window for this evening, please.",
    "The museum is free for students and for people without work.",
    "Could you repeat the last part, because the line was very bad?",
    "He plays the piano every day, although he has little time.",
    "The price includes breakfast, clean towels and a place to park.",
    "I have lost my wallet, and I want to block my bank card.",
    "The lesson was cancelled because the teacher has a bad cold.",
    "You can leave the package with the lady who lives downstairs.",
    "The lift has been broken since the storm, and we live at the top.",
    "What do I have to bring with me when I sign the papers?",
    "There was smoke coming out of the machine, so I pulled the plug.",
    "Thank you for your patience, and have a pleasant evening.",
)


class Spoken(NamedTuple):
    """A sentence; ``model`` is it at 24 kHz, ``phone`` the same at 8 kHz, before any G.711."""

    words: str
    model: Pcm
    phone: Pcm


@lru_cache
def corpus(sentences: int, voices: int) -> tuple[Spoken, ...]:
    """The first ``sentences`` in each of the last ``voices``; the very last needs no Piper."""
    folder = cache_folder() / "spoken"
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(
        _spoken(words, *recorded(folder, voice, words))
        for voice in VOICES[-voices:]
        for words in SENTENCES[:sentences]
    )


def _spoken(words: str, samples: NDArray[np.float64], rate_hz: int) -> Spoken:
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    power = (frames**2).mean(axis=1)
    loud = power[power > power.max() * 10**-2.5]
    at_level = np.clip(samples * LEVEL_RMS / np.sqrt(loud.mean()), -32768, 32767).astype("<i2").tobytes()
    model = resample(at_level, rate_hz, MODEL_HZ)
    return Spoken(
        words, np.frombuffer(model, "<i2"), np.frombuffer(resample(model, MODEL_HZ, PHONE_HZ), "<i2")
    )


class Track(NamedTuple):
    """Sentences one after another with pauses; ``spans``: where each is, with a margin, in seconds."""

    model: Pcm
    phone: Pcm
    spans: tuple[tuple[float, float], ...]
    words: tuple[str, ...]

    def sentence(self, number: int) -> Pcm:
        """One of them alone, at 8 kHz, without its margin."""
        begin, end = self.spans[number]
        return cut(self.phone, PHONE_HZ, (begin + MARGIN_S, end - MARGIN_S))


def track(sentences: tuple[Spoken, ...]) -> Track:
    """A second of silence, then each sentence and a second of silence."""
    parts = [np.zeros(round(LEAD_S * PHONE_HZ), np.int16)]
    spans = []
    at = LEAD_S
    for sentence in sentences:
        whole = len(sentence.phone) // 160 * 160 + 160  # whole frames, so that both rates agree
        length_s = whole / PHONE_HZ
        parts.append(np.pad(sentence.phone, (0, whole - len(sentence.phone))))
        parts.append(np.zeros(round(PAUSE_S * PHONE_HZ), np.int16))
        spans.append((at - MARGIN_S, at + length_s + MARGIN_S))
        at += length_s + PAUSE_S
    phone = np.concatenate(parts)
    model = np.zeros(3 * len(phone), np.int16)
    for sentence, (start_s, _) in zip(sentences, spans, strict=True):
        begin = round((start_s + MARGIN_S) * MODEL_HZ)
        model[begin : begin + len(sentence.model)] = sentence.model
    return Track(model, phone, tuple(spans), tuple(one.words for one in sentences))


def cut(pcm: Pcm, rate_hz: int, span: tuple[float, float], offset_s: float = 0.0) -> Pcm:
    """The samples of a span; ``offset_s``: where the track begins in ``pcm``."""
    begin, end = (max(0, round((at + offset_s) * rate_hz)) for at in span)
    return pcm[begin:end]
