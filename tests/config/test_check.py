"""Every rule of ``check`` and step of ``legacy``: settings that bring a finding, and ones that do not."""

import pytest

from bot.config import rules_line
from bot.config.check import KNOWN_TOOLS, check
from bot.config.legacy import adapt
from bot.config.problem import Finding, dotted
from bot.config.rules import Subject
from bot.config.settings import Settings

PLACE = {"context": "destinations", "exten": "200"}
ELSEWHERE = {"base_url": "wss://api.x.ai/v1/realtime"}


def findings(raw: dict[str, object], provider: str = "offline") -> list[Finding]:
    settings, found = adapt(Settings.model_validate(raw))
    return found + check(Subject(settings, provider, KNOWN_TOOLS))


def rtp(**values: object) -> dict[str, object]:
    return {"media": {"rtp": values}}


def agent(**values: object) -> dict[str, object]:
    return {"agents": {"default": values}}


def http(**values: object) -> dict[str, object]:
    return {"http_tools": {"order": {"description": "d", "url": "https://shop.example/", **values}}}


def mcp(**values: object) -> dict[str, object]:
    return {"mcp_servers": {"shop": values}}


ORDER = {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]}


def test_silero_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: dict[str, object] = {"vad": {"engine": "silero"}}
    monkeypatch.setattr(rules_line, "find_spec", lambda name: None)
    (found,) = findings(chosen)
    assert (dotted(found.path), found.severity) == ("vad.engine", "error")
    assert "install the extra silero" in str(found.remedy)
    monkeypatch.setattr(rules_line, "find_spec", lambda name: name)
    assert not findings(chosen)


def desk(**values: object) -> dict[str, object]:
    return {"destinations": {"desk": values}}


FOUND: list[tuple[dict[str, object], str, str, str]] = [
    ({"openai": {"model": "gpt-4o-realtime-preview"}}, "warning", "openai.model", "gpt-realtime-2.1 is used"),
    ({"openai": {"model": "gpt-4o-mini-realtime-preview"}}, "warning", "openai.model", "was retired"),
    ({"openai": {"model": "gpt-4o-realtime-preview", **ELSEWHERE}}, "warning", "openai.model", "kept"),
    ({"openai": {"model": "gpt-realtime"}}, "warning", "openai.model", "ends on 2027-01-20"),
    ({"openai": {"model": "gpt-realtime-mini"}}, "warning", "openai.model", "ends on 2027-01-20"),
    ({"openai": {"voice": "fable"}}, "warning", "openai.voice", "not a Realtime voice; marin is used"),
    (agent(voice="onyx"), "warning", "agents.default.voice", "not a Realtime voice"),
    ({"openai": {"voice": "marine"}}, "warning", "openai.voice", "did you mean marin?"),
    ({"openai": {"base_url": "https://api.openai.com"}}, "error", "openai.base_url", "no WebSocket address"),
    ({"offline": {"url": "localhost:1"}}, "error", "offline.url", "no WebSocket address"),
    ({"openai": {"modalities": ["text"]}}, "error", "openai.modalities", "no voice on the telephone"),
    ({"openai": {"modalities": []}}, "error", "openai.modalities", "Invalid modalities: []"),
    (
        {"openai": {"modalities": ["audio"], "dialect": "beta", **ELSEWHERE}},
        "error",
        "openai.modalities",
        "Invalid",
    ),
    (
        {"openai": {"turn_detection": {"type": "semantic_vad", "threshold": 0.5}}},
        "error",
        "openai.turn_detection.threshold",
        "belongs to server_vad",
    ),
    (
        agent(turn_detection={"eagerness": "low"}),
        "error",
        "agents.default.turn_detection.eagerness",
        "semantic_vad",
    ),
    (
        {"openai": {"transcription": {"model": "whisper-1", "keywords": ["a"]}}},
        "warning",
        "openai.transcription.keywords",
        "takes no keywords",
    ),
    ({"vad": {"webrtc_aggressiveness": 0}}, "warning", "vad.webrtc_aggressiveness", "gate flutters"),
    ({"vad": {"energy_threshold": 1000}}, "warning", "vad.energy_threshold", "deafens the gate"),
    ({"barge_in": {"commit_ms": 50}}, "error", "barge_in.commit_ms", "before suspect_ms (60)"),
    (agent(barge_in={"suspect_ms": 900}), "error", "agents.default.barge_in.commit_ms", "before suspect_ms"),
    (
        {"barge_in": {"suspect_ms": 300}, **agent(barge_in={"commit_ms": 200})},
        "error",
        "agents.default.barge_in.commit_ms",
        "before suspect_ms (300)",
    ),
    ({"asterisk": {"url": "127.0.0.1:8088"}}, "error", "asterisk.url", "http://HOST:8088"),
    (rtp(ports="30000-20000"), "error", "media.rtp.ports", "no range"),
    (rtp(ports="80-9000"), "error", "media.rtp.ports", "between 1024 and 65535"),
    (rtp(ports="20000-70000"), "error", "media.rtp.ports", "no range"),
    (rtp(ports="20000-20197"), "error", "media.rtp.ports", "room for 99 calls"),
    (rtp(source="first"), "warning", "media.rtp.source", "`announced` takes only"),
    (rtp(external_host="0.0.0.0"), "error", "media.rtp.external_host", "no address that Asterisk"),
    (rtp(bind="192.0.2.1"), "warning", "media.rtp.external_host", "send the audio to itself"),
    ({"asterisk": {"url": "http://pbx:8088"}}, "warning", "media.rtp.external_host", "Asterisk at pbx send"),
    (rtp(bind="::"), "warning", "media.rtp.bind", "to the network"),
    (rtp(bind="localhost"), "error", "media.rtp.bind", "no IP address"),
    ({"web": {"bind": "0.0.0.0"}}, "warning", "web.bind", "without a password"),
    ({"calls": {"max_call_seconds": 0}}, "error", "calls.max_call_seconds", "end every call"),
    ({"calls": {"drain_timeout": 61}}, "warning", "calls.drain_timeout", "let 101 s pass: TimeoutStopSec"),
    ({"calls": {"time_zone": "Europe/Berln"}}, "error", "calls.time_zone", "did you mean Europe/Berlin?"),
    ({"calls": {"time_zone": "/etc/passwd"}}, "error", "calls.time_zone", "unknown time zone"),
    ({"agents": {"a": {}}}, "warning", "agents.a", "no call selects it"),
    ({"agents": {"a": {"match": {}}}}, "error", "agents.a.match", "matches every call"),
    (agent(match={"extension": "1"}), "warning", "agents.default.match", "whatever its match says"),
    (
        {"agents": {"a": {"match": {"extension": "_1XX"}}}},
        "warning",
        "agents.a.match.extension",
        "looks like an Asterisk pattern",
    ),
    (agent(tools=["hangup"]), "error", "agents.default.tools[0]", "did you mean hangup_call?"),
    ({"openai": {"tools": ["qqqq"]}}, "error", "openai.tools[0]", "known tools: attended_transfer"),
    (agent(tools=["transfer_call"]), "error", "agents.default.tools[0]", "nowhere to go"),
    (http(url="shop.example"), "error", "http_tools.order.url", "no web address"),
    (http(url="https://shop.example/{number}"), "error", "http_tools.order.url", "{number} is no argument"),
    (
        http(url="https://shop.example/{number}", parameters={**ORDER, "required": []}),
        "error",
        "http_tools.order.url",
        "may be missing",
    ),
    (
        http(parameters={"type": "object", "properties": {"n": {"type": "txt"}}}),
        "error",
        "http_tools.order.parameters.properties.n.type",
        "no JSON schema",
    ),
    (http(parameters={"type": "string"}), "error", "http_tools.order.parameters", "arguments have names"),
    (http(headers={"X-Key": "a\nb: c"}), "error", "http_tools.order.headers.X-Key", "one line"),
    (
        {"http_tools": {"look up": {"description": "d", "url": "https://shop.example/"}}},
        "error",
        "http_tools.look up",
        "look up is no name",
    ),
    (
        {"http_tools": {"hangup_call": {"description": "d", "url": "https://shop.example/"}}},
        "error",
        "http_tools.hangup_call",
        "the name of a tool that comes along; choose another name",
    ),
    (mcp(), "error", "mcp_servers.shop", "one of them"),
    (mcp(url="http://x/", command="x"), "error", "mcp_servers.shop", "one of them"),
    (mcp(url="x:8000"), "error", "mcp_servers.shop.url", "no web address"),
    (mcp(url="http://x/", args=["a"]), "error", "mcp_servers.shop.args", "belongs to command"),
    (mcp(command="x", headers={"a": "b"}), "error", "mcp_servers.shop.headers", "belongs to url"),
    ({**mcp(command="x"), **agent(tools=["stock"])}, "error", "agents.default.tools[0]", "unknown tool"),
    (
        {"mcp_servers": {"order": {"command": "x"}}, **http()},
        "error",
        "mcp_servers.order",
        "is the name of an HTTP tool",
    ),
    ({**http(), **agent(tools=["ordr"])}, "error", "agents.default.tools[0]", "did you mean order?"),
    (agent(tools=["handoff_to_agent"]), "error", "agents.default.tools[0]", "nobody to hand over to"),
    (agent(handoff=["sals"]), "error", "agents.default.handoff[0]", "there is no agent sals"),
    (agent(handoff=["default"]), "error", "agents.default.handoff[0]", "to itself"),
    (desk(), "error", "destinations.desk", "leads nowhere"),
    (desk(exten="1"), "error", "destinations.desk", "half a place"),
    (desk(context="a", exten="1", dial="PJSIP/1"), "error", "destinations.desk", "has both dial"),
    (desk(dial="200"), "error", "destinations.desk.dial", "TECHNOLOGY/NAME"),
    (desk(dial="PJSIP/200,30,G(x)"), "error", "destinations.desk.dial", "nothing that Asterisk can dial"),
    (desk(dial="PJSIP/${EXTEN}"), "error", "destinations.desk.dial", "nothing that Asterisk can dial"),
    ({"destinations": {"_.": {"dial": "PJSIP/1"}}}, "error", "destinations._.", "cannot be an extension"),
    ({"destinations": {"h": {"dial": "PJSIP/1"}}}, "error", "destinations.h", "lower-case letters"),
    ({"message": {"webhook": {"url": "example.org"}}}, "error", "message.webhook.url", "no HTTP address"),
    (
        {"message": {"webhook": {"url": "http://example.org/x"}}},
        "warning",
        "message.webhook.url",
        "in the clear",
    ),
    ({"card": {"url": "http://pay.example.org/x"}}, "error", "card.url", "in the clear"),
    ({"card": {"url": "pay.example.org"}}, "error", "card.url", "use https"),
    (agent(tools=["pause_for_card"]), "error", "agents.default.tools[0]", "set card.url"),
    ({"calls": {"operator_key": "0"}}, "error", "calls.operator", "key 0 leads to no destination"),
    (
        {"calls": {"operator_key": "0", "operator": "desc"}, "destinations": {"desk": PLACE}},
        "error",
        "calls.operator",
        "did you mean desk?",
    ),
    (agent(operator_key="9"), "error", "agents.default.operator", "key 9 leads"),
    (agent(greeting="Hi {caller_nam}"), "error", "agents.default.greeting", "did you mean caller_name?"),
    (agent(instructions="{zzz}"), "error", "agents.default.instructions", "unknown placeholder {zzz}"),
    (agent(greeting="{var:ID}"), "error", "agents.default.greeting", "add ID to calls.variables"),
]


def test_the_beta_is_refused_at_openai_and_nowhere_else() -> None:
    beta: dict[str, object] = {"openai": {"dialect": "beta"}}
    (found,) = [f for f in findings(beta, "openai") if dotted(f.path) == "openai.dialect"]
    assert "ended the beta" in found.message
    assert not [f for f in findings(beta, "offline") if dotted(f.path) == "openai.dialect"]


@pytest.mark.parametrize(("raw", "severity", "path", "words"), FOUND)
def test_found(raw: dict[str, object], severity: str, path: str, words: str) -> None:
    found = [f for f in findings(raw) if (f.severity, dotted(f.path)) == (severity, path)]
    assert any(words in f"{f.message}; {f.remedy}" for f in found), findings(raw)


FINE: list[dict[str, object]] = [
    {},
    {"modalities": ["text", "audio"]},
    {"openai": {"model": "gpt-realtime-2", "voice": "cedar", "tools": []}},
    {"openai": {"dialect": "beta", "model": "qwen", "voice": "Cherry", **ELSEWHERE}},
    {"openai": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}},
    {"vad": {"webrtc_aggressiveness": 3, "energy_threshold": 999}},
    {"barge_in": {"suspect_ms": 200, "commit_ms": 200}},
    {"barge_in": {"commit_ms": 1000}, **agent(barge_in={"suspect_ms": 900})},
    rtp(ports="20000-20198", bind="127.0.0.2", external_host="localhost"),
    rtp(ports="20001-20200"),
    {"agents": {"a": {"match": {"caller": "+49*"}}, "default": {"tools": []}}},
    {"calls": {"drain_timeout": 300, "stop_grace": 340}},
    agent(instructions='Say {"a": 1} {} {date} {time} {time_zone}'),
    agent(greeting="{caller_number} {caller_name} {dialled_number}"),
    {**agent(greeting="{var:ID}"), "calls": {"variables": ["ID"], "time_zone": "Europe/Berlin"}},
    http(url="https://u:p@shop.example/{number}?k={number}", parameters=ORDER, headers={"X": "y"}),
    {**http(), **agent(tools=["order"])},
    {**mcp(url="https://x/mcp", headers={"a": "b"}), **agent(tools=["shop"])},
    {
        **mcp(command="x", args=["y"], tools=["stock", "hangup_call"]),
        **agent(tools=["stock", "shop_hangup_call"]),
    },
    {"card": {"url": "http://127.0.0.1:8000/x"}, **agent(tools=["pause_for_card"])},
    {"card": {"url": "https://pay.example.org/x"}},
    {"message": {"webhook": {"url": "http://127.0.0.1:8000/x"}}},
    {"message": {"webhook": {"url": "https://example.org/x"}}},
    {"calls": {"operator_key": "0", "operator": "desk"}, "destinations": {"desk": PLACE}},
    {"calls": {"operator": "desk"}, "destinations": {"desk": PLACE}, **agent(operator_key="*")},
    {**agent(tools=["transfer_call"]), "destinations": {"desk": {"context": "a", "exten": "1"}}},
    {**agent(tools=["transfer_call"]), **desk(context="a", exten="1")},
    {"agents": {"default": {"handoff": ["sales"], "tools": ["handoff_to_agent"]}, "sales": {}}},
    desk(dial="PJSIP/200&PJSIP/out-1/sip:desk@192.0.2.1:5060"),
]


@pytest.mark.parametrize("raw", FINE)
def test_fine(raw: dict[str, object]) -> None:
    assert findings(raw) == []


@pytest.mark.parametrize(
    ("openai", "severities"),
    [
        ({}, ["error"]),
        ({"api_key": "k"}, []),
        (ELSEWHERE, ["warning"]),
        ({**ELSEWHERE, "headers": {"Authorization": "x"}}, []),
    ],
)
def test_api_key_of_a_chosen_provider(openai: dict[str, object], severities: list[str]) -> None:
    assert [f.severity for f in findings({"openai": openai}, provider="openai")] == severities


def test_long_calls_matter_to_openai_only() -> None:
    raw: dict[str, object] = {"calls": {"max_call_seconds": 7200}, "openai": {"api_key": "k"}}
    assert "60 minutes" in findings(raw, provider="openai")[0].message
    assert findings(raw) == []


def test_what_old_spellings_become() -> None:
    raw = {
        "openai": {"model": "gpt-4o-realtime-preview", "voice": "nova", "tools": [], "turn_detection": {}},
        "agents": {"default": {"voice": "fable"}, "b": {"match": {"args": "b"}, "voice": "ash"}},
    }
    settings, _ = adapt(Settings.model_validate(raw))
    assert (settings.openai.model, settings.openai.voice, settings.openai.tools) == (
        "gpt-realtime-2.1",
        "marin",
        None,
    )
    assert [a.voice for a in settings.agents.values()] == ["marin", "ash"]
    assert settings.openai.turn_detection == Settings().openai.turn_detection


def test_other_services_keep_model_and_voice() -> None:
    raw = {"openai": {"model": "gpt-4o-realtime-preview", "voice": "nova", **ELSEWHERE}}
    settings, _ = adapt(Settings.model_validate(raw))
    assert (settings.openai.model, settings.openai.voice) == ("gpt-4o-realtime-preview", "nova")


def test_known_tools_come_from_the_caller() -> None:
    settings = Settings.model_validate(agent(tools=["weather"]))
    assert check(Subject(settings, "offline", frozenset({"weather"}))) == []


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (found,) = findings(mcp(command="x"))
    assert (found.message, found.remedy) == (
        "the package mcp is not installed",
        "install the extra mcp (docs/install.md)",
    )
