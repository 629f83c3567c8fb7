"""Whether the call went as it should: findings with their values, and a clear line for each bad one. PURE."""

import re
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from demo.measure import Measures
from demo.talk import SCRIPT

#: Bounds of what still is a working call, not of a good one: the machine may be small and busy.
ANSWER_S, FIRST_AUDIO_S, TURN_S, YIELD_S = 10.0, 5.0, 15.0, 1.5
GOODBYE_S = (0.2, 1.5)
#: Small ears mishear: of the words that the agent says it said, so many must be heard at the phone.
HEARD_SHARE = 0.6

#: The prices and hours of the agent's answers, which Whisper writes as figures.
_NUMBERS = {
    "4": "four",
    "6": "six",
    "9": "nine",
    "10": "ten",
    "12": "twelve",
    "15": "fifteen",
    "80": "eighty",
}


class Finding(NamedTuple):
    """``complaint`` is empty when all is well."""

    name: str
    value: str
    complaint: str = ""


def judge(row: dict[str, Any], found: Measures, heard: str) -> list[Finding]:
    """``row`` is the call's record, ``heard`` the words that Whisper found in what the phone heard."""
    return [
        _within("answered after (INVITE → 200)", found.answer_s, 0, ANSWER_S),
        _within("agent audible after the answer", found.first_audio_s, 0, FIRST_AUDIO_S),
        *_turns(found),
        *_said(row, heard),
        _hung_up(row),
        _within("BYE after the last sound of the farewell", found.goodbye_s, *GOODBYE_S),
    ]


def _within(name: str, seconds: float | None, least: float, most: float) -> Finding:
    if seconds is None:
        return Finding(name, "–", f"{name}: it never happened")
    complaint = (
        "" if least <= seconds <= most else f"{name}: {seconds:.2f} s, not within {least:g} to {most:g} s"
    )
    return Finding(name, f"{seconds:.2f} s", complaint)


def _turns(found: Measures) -> list[Finding]:
    findings = []
    if len(found.turns) != len(SCRIPT):
        findings.append(
            Finding(
                "the caller's sentences",
                f"{len(found.turns)} of {len(SCRIPT)}",
                f"the caller said {len(found.turns)} of {len(SCRIPT)} sentences",
            )
        )
    for line, turn in zip(SCRIPT, found.turns, strict=False):
        findings.append(_within(f"«{line.words}» answered after", turn.answered_s, 0, TURN_S))
        if line.interrupts:
            findings.append(_within("interrupted, the agent fell silent after", turn.yielded_s, 0, YIELD_S))
    return findings


def _said(row: dict[str, Any], heard: str) -> list[Finding]:
    """What the agent said, against what was heard at the phone, and against what was asked."""
    findings = []
    agent = [one for one in row["transcript"] if one["party"] == "agent"]
    # Of a sentence that was cut off the words are only estimated.
    for said in (one for one in agent if not one["estimated"]):
        share = share_heard(said["text"], heard)
        name = f"heard «{_short(said['text'])}»"
        complaint = (
            "" if share >= HEARD_SHARE else f"{name}: only {share:.0%} of the words found at the phone"
        )
        findings.append(Finding(name, f"{share:.0%}", complaint))
    words = " ".join(said["text"].lower() for said in agent)
    for line in SCRIPT:
        if line.expects not in words:
            complaint = f"«{line.words}» was not answered: the agent never said «{line.expects}»"
            findings.append(Finding("the right answer", "no", complaint))
    return findings


def _hung_up(row: dict[str, Any]) -> Finding:
    who = f"the {row['ended_by']}: {row['reason']}"
    right = row["ended_by"] == "agent" and row["outcome"] == "hangup"
    return Finding("hung up by", who, "" if right else f"the agent did not hang up, but {who}")


def share_heard(said: str, heard: str) -> float:
    """How much of what was said, word by word and in its order, is in what was heard; 0 to 1."""
    wanted, found = _words(said), _words(heard)
    if not wanted:
        return 1.0
    blocks = SequenceMatcher(None, found, wanted, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / len(wanted)


def _words(text: str) -> list[str]:
    return [_NUMBERS.get(word, word) for word in re.findall(r"[a-z']+|\d+", text.lower())]


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39].rstrip() + "…"
