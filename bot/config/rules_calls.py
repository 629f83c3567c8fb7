"""Rules about calls and agents: times, time zone, matches, tools, templates."""

import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from bot.config.greeting import read_greeting
from bot.config.own_tools import listed, own_tools
from bot.config.problem import Finding, Path, warning
from bot.config.profile import PLACEHOLDERS, Profile, placeholders, resolve
from bot.config.rules import Rule, Subject, near
from bot.config.settings import DIAL_CONTEXT, LAST_WORD_S, RELEASE_S, SPARE_S, Agent, Calls
from bot.errors import ConfigError

SESSION_LIMIT_S = 3600
"""OpenAI ends a Realtime session after 60 minutes."""
DIALLED_NAME = re.compile(r"[a-z][a-z0-9_]+")
"""An extension that Asterisk takes as it stands: no pattern, none of its own (``h``, ``i``, ``s``, ``t``)."""
DIAL_STRING = re.compile(r"[A-Za-z0-9]+/[A-Za-z0-9_.+@:/&-]+")
"""What may stand in ``Dial(…)`` without ending it or adding to it."""


def call_times(subject: Subject) -> Iterator[Finding]:
    calls, path = subject.settings.calls, ("calls", "max_call_seconds")
    if calls.max_call_seconds == 0:
        yield Finding(
            path, "0 would end every call at once", "write the longest call in seconds, such as 3600"
        )
    elif calls.max_call_seconds > SESSION_LIMIT_S and subject.provider == "openai":
        message = f"{calls.max_call_seconds:g} is longer than a Realtime session may last (60 minutes)"
        yield warning(path, message, "use 3600 or less")


def stop_grace(subject: Subject) -> Iterator[Finding]:
    calls = subject.settings.calls
    needed = calls.drain_timeout + LAST_WORD_S + RELEASE_S + SPARE_S
    if calls.stop_grace < needed:
        message = (
            f"{calls.drain_timeout:g} s, {LAST_WORD_S:g} s for a last word, {RELEASE_S:g} s to let go and "
            f"{SPARE_S:g} s to spare are more than calls.stop_grace ({calls.stop_grace:g} s), after which "
            "the service is killed"
        )
        remedy = (
            f"lower it, or let {needed:g} s pass: TimeoutStopSec of the unit (systemctl edit voicebot), or "
            "STOP_GRACE of docker-compose.yml, and calls.stop_grace the same"
        )
        yield warning(("calls", "drain_timeout"), message, remedy)


def time_zone(subject: Subject) -> Iterator[Finding]:
    name = subject.settings.calls.time_zone
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        remedy = near(name, available_timezones(), "write a name such as Europe/Berlin")
        yield Finding(("calls", "time_zone"), f"unknown time zone {name}", remedy)


def agent_matches(subject: Subject) -> Iterator[Finding]:
    agents = subject.settings.agents
    handed_to = {other for agent in agents.values() for other in agent.handoff or ()}
    for name, agent in agents.items():
        path: Path = ("agents", name, "match")
        patterns = agent.match.model_dump(exclude_none=True) if agent.match else {}
        if name == "default" and patterns:
            yield warning(
                path, "default answers every call that no other agent matches, whatever its match says"
            )
        elif name != "default" and agent.match is None:
            if not subject.settings.outbound.allow and name not in handed_to:
                yield warning(
                    path[:-1], "has no match, so no call selects it", "give it a match, or name it default"
                )
        elif name != "default" and not patterns:
            yield Finding(
                path, "matches every call", "give extension, caller or args, or name the agent default"
            )
        for field, pattern in patterns.items():
            if field == "extension" and pattern.startswith("_"):
                remedy = "write shell-style patterns: ? is one character, * any, [0-9] a digit"
                yield warning(
                    (*path, field), f"{pattern} looks like an Asterisk pattern, and matches nothing", remedy
                )


#: Technology and address, with ``*``, ``?`` and sets of letters and digits: what the dialplan can repeat.
ALLOWED = re.compile(r"[A-Za-z0-9]+/([A-Za-z0-9_.+*?#@:-]|\[[A-Za-z0-9-]+\])+")


def outbound_patterns(subject: Subject) -> Iterator[Finding]:
    for index, pattern in enumerate(subject.settings.outbound.allow):
        if not ALLOWED.fullmatch(pattern):
            remedy = "write TECHNOLOGY/address, such as PJSIP/2??, with ?, * and sets such as [0-4]"
            yield Finding(("outbound", "allow", index), f"{pattern} is no pattern of endpoints", remedy)


def agent_tools(subject: Subject) -> Iterator[Finding]:
    settings = subject.settings
    every = subject.known_tools.union(own_tools(settings))
    every |= set(listed(settings, every).values())
    chosen: list[tuple[Path, tuple[str, ...] | None]] = [(("openai", "tools"), settings.openai.tools)]
    chosen += [(("agents", name, "tools"), agent.tools) for name, agent in settings.agents.items()]
    for path, tools in chosen:
        for index, tool in enumerate(tools or ()):
            here = (*path, index)
            if tool not in every:
                known = f"known tools: {', '.join(sorted(every))}"
                yield Finding(here, f"unknown tool {tool}", near(tool, every, known))
            elif tool == "pause_for_card" and not settings.card.url:
                yield Finding(here, "pause_for_card has nowhere to take the digits", "set card.url")
            elif tool == "transfer_call" and not settings.destinations:
                yield Finding(
                    here, "transfer_call has nowhere to go", "add a destination under `destinations:`"
                )
            elif tool == "attended_transfer" and not settings.phones:
                yield Finding(here, "attended_transfer has nobody to call", "give a destination `dial:`")
            elif tool == "handoff_to_agent" and not any(agent.handoff for agent in settings.agents.values()):
                message = "handoff_to_agent has nobody to hand over to"
                yield Finding(here, message, "name other agents under `handoff:` of an agent")


def handoffs(subject: Subject) -> Iterator[Finding]:
    agents = subject.settings.agents
    for name, agent in agents.items():
        for index, other in enumerate(agent.handoff or ()):
            path: Path = ("agents", name, "handoff", index)
            if other not in agents:
                known = f"known agents: {', '.join(agents)}"
                yield Finding(path, f"there is no agent {other}", near(other, agents, known))
            elif other == name:
                yield Finding(path, "an agent cannot hand over to itself", "remove it")


def destinations(subject: Subject) -> Iterator[Finding]:
    for name, place in subject.settings.destinations.items():
        path: Path = ("destinations", name)
        in_dialplan = place.context is not None or place.exten is not None
        if place.dial is None and (place.context is None or place.exten is None):
            message = "leads nowhere" if not in_dialplan else "is half a place in the dialplan"
            yield Finding(path, message, "write context and exten, or dial, such as PJSIP/200")
        elif place.dial is not None and in_dialplan:
            yield Finding(path, "has both dial and a place in the dialplan", "keep one of them")
        elif place.dial is not None and not DIAL_STRING.fullmatch(place.dial):
            message = f"{place.dial} is nothing that Asterisk can dial"
            yield Finding((*path, "dial"), message, "write it as TECHNOLOGY/NAME, such as PJSIP/200")
        elif place.dial is not None and not DIALLED_NAME.fullmatch(name):
            message = f"{name} cannot be an extension of [{DIAL_CONTEXT}]"
            yield Finding(path, message, "use two or more lower-case letters, digits and _")


def operator_key(subject: Subject) -> Iterator[Finding]:
    """Whoever names a key or an operator ends up with a key that leads somewhere."""
    settings = subject.settings
    chosen: list[tuple[Path, Calls | Agent, Calls | Profile]] = [(("calls",), settings.calls, settings.calls)]
    chosen += [(("agents", name), one, resolve(settings, name)) for name, one in settings.agents.items()]
    for path, block, filled_in in chosen:
        key, operator = filled_in.operator_key, filled_in.operator
        if (
            key
            and operator not in settings.destinations
            and (block.operator_key or block.operator is not None)
        ):
            known = f"name one of destinations: {', '.join(settings.destinations) or 'there are none yet'}"
            yield Finding(
                (*path, "operator"),
                f"key {key} leads to no destination",
                near(operator, settings.destinations, known),
            )


def agent_templates(subject: Subject) -> Iterator[Finding]:
    known = [*PLACEHOLDERS, *(f"var:{name}" for name in subject.settings.calls.variables)]
    for name, agent in subject.settings.agents.items():
        for field in ("instructions", "greeting"):
            for found in placeholders(getattr(agent, field) or ""):
                path = ("agents", name, field)
                if found.startswith("var:") and found not in known:
                    message = f"{{{found}}} is not among calls.variables"
                    yield Finding(path, message, f"add {found.removeprefix('var:')} to calls.variables")
                elif found not in known:
                    every = f"known: {' '.join(f'{{{p}}}' for p in PLACEHOLDERS)} {{var:NAME}}"
                    yield Finding(path, f"unknown placeholder {{{found}}}", near(found, PLACEHOLDERS, every))


def agent_recordings(subject: Subject) -> Iterator[Finding]:
    """What is played must be there, and the model must be told what it said."""
    for name, agent in subject.settings.agents.items():
        path: Path = ("agents", name, "greeting_audio")
        if not agent.greeting_audio:
            continue
        try:
            read_greeting(agent.greeting_audio)
        except ConfigError as error:
            yield Finding(path, error.message, error.remedy)
        if not agent.greeting:
            yield Finding(path, "nothing says what is said in it", f"add its words as agents.{name}.greeting")
        elif found := placeholders(agent.greeting):
            message = f"a recording cannot say {{{found[0]}}}"
            yield Finding(path, message, "write greeting as it was spoken, or leave greeting_audio out")


RULES: tuple[Rule, ...] = (
    call_times,
    stop_grace,
    time_zone,
    agent_matches,
    outbound_patterns,
    agent_tools,
    handoffs,
    destinations,
    operator_key,
    agent_templates,
    agent_recordings,
)
