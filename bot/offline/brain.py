"""What the embedded model answers. PURE: the persona and the turn in, sentences and function calls out.

Callers are matched to the persona's phrases word by word and tolerantly, since small ears mishear: a word
counts when it is nearly the same, and words that carry little meaning count little.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from bot.offline.config import SessionConfig
from bot.offline.items import Item
from bot.offline.persona import Intent, Persona

MATCH_THRESHOLD = 0.62
SAME_WORD = 0.78
FUZZY_LETTERS = 4
INTENT_LEAD = 0.15
"""How much better an answer must match to be preferred: in «thank you, goodbye» the goodbye counts."""
_LITTLE_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a am an and are be can could do does for have how i in is it me my of on or please so that the "
        "there to um uh was we what when where will with would you your",
    )
)
_LITTLE_WEIGHT = 0.25
_PLACE = re.compile(r"\{([a-z_]+(?:\.[a-z_]+)*)\}")
_QUOTED = re.compile(r'["“«]\s*(.+?)\s*["”»]', re.DOTALL)


@dataclass(frozen=True)
class Say:
    text: str


@dataclass(frozen=True)
class Call:
    """``arguments`` is JSON, as the API carries it."""

    name: str
    arguments: str


@dataclass(frozen=True)
class Turn:
    """What is to be answered. ``said`` are the caller's words since the agent last spoke (``None``: nothing
    was said), else ``outcome`` is the function called last and its output."""

    said: str | None = None
    outcome: tuple[str, str] | None = None
    greeted: bool = False


def read_turn(context: Sequence[Item]) -> Turn:
    """The turn that the conversation so far ends with."""
    said: list[str] = []
    last: Item | None = None
    for item in reversed(context):
        if item.role == "user":
            said.insert(0, item.text)
        elif item.role != "system":
            last = item
            break
    greeted = any(item.role == "assistant" for item in context)
    if said:
        return Turn(said=" ".join(filter(None, said)), greeted=greeted)
    if last is not None and last.type == "function_call_output":
        names = {item.call_id: item.name for item in context if item.type == "function_call"}
        return Turn(outcome=(names.get(last.call_id, ""), last.output), greeted=greeted)
    return Turn(greeted=greeted)


class Brain:
    """Answers turns as ``persona``."""

    def __init__(self, persona: Persona) -> None:
        self._persona = persona

    def reply(
        self, turn: Turn, config: SessionConfig, *, instructions: str | None = None, idle: bool = False
    ) -> list[Say | Call]:
        """What to say and do now. ``instructions`` are those of this one response: a text in double quotes
        in them is said as it is."""
        tools = [tool["name"] for tool in config.tools] if config.tool_choice != "none" else []
        quoted = _QUOTED.search(instructions or "")
        if quoted:
            return [Say(quoted[1])]
        if isinstance(config.tool_choice, dict):
            return [self._forced(config.tool_choice["name"])]
        if idle:
            return [Say(self._persona.idle)]
        if turn.outcome is not None:
            return self._go_on(*turn.outcome)
        if turn.said is None and turn.greeted and config.tool_choice == "none":
            return [Say(self._persona.farewell)]
        if turn.said is None:
            return [Say(self._persona.idle if turn.greeted else self._persona.greeting)]
        steps = self._answer(turn.said, tools)
        if config.tool_choice == "required" and tools and not any(isinstance(step, Call) for step in steps):
            return [self._forced(tools[0])]
        return steps

    def _answer(self, said: str, tools: Iterable[str]) -> list[Say | Call]:
        if not _words(said):
            return [Say(self._persona.unheard)]
        intents = [intent for intent in self._persona.intents if intent.call.name in tools]
        by_intent = max((_best(said, intent.phrases) for intent in intents), default=0.0)
        by_answer = max((_best(said, entry.questions) for entry in self._persona.answers), default=0.0)
        if max(by_intent, by_answer) < MATCH_THRESHOLD:
            return [Say(self._persona.fallback)]
        if by_intent >= max(MATCH_THRESHOLD, by_answer - INTENT_LEAD):
            intent = max(intents, key=lambda one: _best(said, one.phrases))
            before: list[Say | Call] = [Say(intent.say)] if intent.say else []
            return [*before, _call_of(intent)]
        return [Say(max(self._persona.answers, key=lambda one: _best(said, one.questions)).answer)]

    def _forced(self, name: str) -> Call:
        intent = self._intent(name)
        return _call_of(intent) if intent else Call(name, "{}")

    def _go_on(self, name: str, output: str) -> list[Say | Call]:
        intent = self._intent(name)
        failed = _is_error(output)
        text = (intent.on_error if failed else intent.after) if intent else ""
        text = _filled(text, output, spoken=True) or (
            "I am sorry, that did not work." if failed else "That is done."
        )
        if intent is None or intent.then is None or failed:
            return [Say(text)]
        arguments = {
            key: _filled(value, output) if isinstance(value, str) else value
            for key, value in intent.then.arguments.items()
        }
        return [Say(text), Call(intent.then.name, json.dumps(arguments))]

    def _intent(self, name: str) -> Intent | None:
        return next((intent for intent in self._persona.intents if intent.call.name == name), None)


def _call_of(intent: Intent) -> Call:
    return Call(intent.call.name, json.dumps(intent.call.arguments))


def _is_error(output: str) -> bool:
    """Whether a function's output tells of a failure: ``error``, ``ok: false``, ``status: error``…"""
    try:
        told = json.loads(output)
    except ValueError:
        return output.lower().startswith("error")
    if not isinstance(told, dict):
        return False
    if told.get("error") or told.get("ok") is False or told.get("success") is False:
        return True
    return str(told.get("status", "")).lower() in {"error", "failed", "failure", "refused"}


def _filled(text: str, output: str, *, spoken: bool = False) -> str:
    """``text`` with ``{answer.status}`` replaced by that value of the function's output; ``spoken``:
    digits one by one."""

    def value(place: re.Match[str]) -> str:
        try:
            found: object = json.loads(output)
        except ValueError:
            return ""
        for part in place[1].split("."):
            found = found.get(part, "") if isinstance(found, dict) else ""
        told = str(found)
        return " ".join(told) if spoken and told.isdigit() else told

    return _PLACE.sub(value, text)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower().replace("good bye", "goodbye"))


def _weight(word: str) -> float:
    return _LITTLE_WEIGHT if word in _LITTLE_WORDS else 1.0


def _best(said: str, phrases: Iterable[str]) -> float:
    heard = _words(said)
    return max((_match(heard, _words(phrase)) for phrase in phrases), default=0.0)


def _match(heard: Sequence[str], phrase: Sequence[str]) -> float:
    """How much of ``phrase`` was heard, 0 to 1, and a little for how much it explains of what was heard."""
    found = sum(_weight(word) * _closeness(word, heard) for word in phrase)
    covered = found / sum(map(_weight, phrase))
    explained = sum(_weight(word) * _closeness(word, phrase) for word in heard) / sum(map(_weight, heard))
    return 0.75 * covered + 0.25 * explained


def _closeness(word: str, others: Sequence[str]) -> float:
    if word in others:
        return 1.0
    # Short words are too easily alike: «by» is not «bye».
    if len(word) < FUZZY_LETTERS:
        return 0.0
    long = (other for other in others if len(other) >= FUZZY_LETTERS)
    best = max((SequenceMatcher(None, word, other).ratio() for other in long), default=0.0)
    return best if best >= SAME_WORD else 0.0
