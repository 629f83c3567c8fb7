"""The agent of one call: which profile answers, with everything filled in, and its words rendered."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from bot.config.own_tools import own_tools
from bot.config.settings import Agent, BargeIn, Match, Settings, TurnDetection

INSTRUCTIONS = (
    "You are a friendly assistant on the telephone. Speak naturally, one or two short sentences at a time. "
    "When the caller is done, say goodbye and call hangup_call."
)
GREETING = "Hello! How can I help you today?"

PLACEHOLDERS = ("date", "time", "time_zone", "caller_number", "caller_name", "dialled_number")
MAX_VARIABLE_CHARS = 80

_PLACEHOLDER = re.compile(r"\{(var:[A-Za-z0-9_]+|[A-Za-z_]+)\}")


@dataclass(frozen=True)
class Profile:
    """An agent with nothing left open. ``handoff``: the agents it may hand over to, and what each is for;
    ``instructions`` and ``greeting`` are templates for ``render``;
    ``language`` is ``None`` when the model may find out, ``turn_detection`` when the server has none."""

    name: str
    instructions: str
    greeting: str
    greeting_audio: str
    voice: str
    language: str | None
    tools: tuple[str, ...]
    handoff: Mapping[str, str]
    turn_detection: TurnDetection | None
    barge_in: BargeIn
    operator_key: str  # empty: none
    operator: str


def select(settings: Settings, extension: str, caller: str, args: tuple[str, ...] = ()) -> Profile:
    """The profile of a call: the first agent whose ``match`` fits, else ``default``, else the built-in one.

    ``args`` are the arguments of ``Stasis(app,…)``, matched as they stand there, joined by commas.
    """
    for name, agent in settings.agents.items():
        if agent.match is not None and matches(agent.match, extension, caller, ",".join(args)):
            return resolve(settings, name)
    return resolve(settings, "default")


def matches(match: Match, extension: str, caller: str, args: str) -> bool:
    wanted = ((match.extension, extension), (match.caller, caller), (match.args, args))
    return all(pattern is None or fnmatchcase(value, pattern) for pattern, value in wanted)


def resolve(settings: Settings, name: str) -> Profile:
    """The agent ``name``; what it leaves out comes from ``default``, then from the whole service."""
    agent, default = settings.agents.get(name, Agent()), settings.agents.get("default", Agent())
    openai = settings.openai
    greeter = default if agent.greeting is None and agent.greeting_audio is None else agent
    spoken = openai.transcription.language if openai.transcription else None
    tools = next((t for t in (agent.tools, default.tools, openai.tools) if t is not None), None)
    handoff = next((names for names in (agent.handoff, default.handoff) if names is not None), ())
    barge_in = settings.barge_in
    for own in (default.barge_in, agent.barge_in):
        barge_in = barge_in.model_copy(update=own.model_dump(exclude_unset=True)) if own else barge_in
    return Profile(
        name=name,
        instructions=_first(agent.instructions, default.instructions, INSTRUCTIONS),
        greeting=_first(agent.greeting, default.greeting, GREETING),
        greeting_audio=greeter.greeting_audio or "",  # it goes with its words
        voice=_first(agent.voice, default.voice, openai.voice),
        language=agent.language or default.language or spoken,
        tools=default_tools(settings) if tools is None else tools,
        handoff={
            other: settings.agents[other].description
            for other in handoff
            if other != name and other in settings.agents
        },
        turn_detection=merged(merged(openai.turn_detection, default.turn_detection), agent.turn_detection),
        barge_in=barge_in,
        operator_key=_first(agent.operator_key, default.operator_key, settings.calls.operator_key),
        operator=_first(agent.operator, default.operator, settings.calls.operator),
    )


def uses(settings: Settings, tool: str) -> bool:
    """Whether any agent has this tool."""
    return any(tool in resolve(settings, name).tools for name in ("default", *settings.agents))


def default_tools(settings: Settings) -> tuple[str, ...]:
    """The tools of an agent for whom none were chosen; there is no transfer without a destination."""
    transfer = ("transfer_call",) if settings.destinations else ()
    attended = ("attended_transfer",) if settings.phones else ()
    return ("hangup_call", *transfer, *attended, *own_tools(settings))


def merged(base: TurnDetection | None, own: TurnDetection | None) -> TurnDetection | None:
    """``own`` over ``base``, field by field; another type of detector takes nothing from ``base``."""
    if own is None or base is None or own.type != base.type:
        return base if own is None else own
    return base.model_copy(update=own.model_dump(exclude_unset=True))


def _first(*choices: str | None) -> str:
    """The first that is given; an empty text is given (a greeting may be switched off)."""
    return next(choice for choice in choices if choice is not None)


def variables(
    now: datetime,
    time_zone: str,
    caller_number: str = "",
    caller_name: str = "",
    dialled_number: str = "",
    channel: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Values for ``render``. ``now`` is aware; ``channel`` holds channel variables for ``{var:NAME}``."""
    local = now.astimezone(ZoneInfo(time_zone))
    values = {
        "date": f"{local:%A}, {local.day} {local:%B %Y}",
        "time": f"{local:%H:%M}",
        "time_zone": time_zone,
        "caller_number": caller_number,
        "caller_name": caller_name,
        "dialled_number": dialled_number,
        **{f"var:{name}": value for name, value in (channel or {}).items()},
    }
    return {name: sanitized(value) for name, value in values.items()}


def sanitized(value: str, max_chars: int = MAX_VARIABLE_CHARS) -> str:
    """One line of at most ``max_chars`` (80) characters, without control and formatting characters.

    Whoever calls chooses their name: it cannot add a line to the instructions, but stays untrusted text.
    """
    printable = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in value)
    return " ".join(printable.split())[:max_chars]


def placeholders(template: str) -> list[str]:
    """The names in braces; other braces (an example in JSON) are left alone."""
    return _PLACEHOLDER.findall(template)


def render(template: str, variables: Mapping[str, str]) -> str:
    """``template`` filled in, in one pass; a value that the call does not have is empty."""
    return _PLACEHOLDER.sub(lambda match: variables.get(match[1], ""), template)
