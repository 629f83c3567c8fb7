"""``load``: files and environments as operators write them, in; settings or one clear line each, out."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from bot.config.load import Loaded, load
from bot.config.profile import resolve
from bot.errors import ConfigError

KEY = {"OPENAI_API_KEY": "test-key"}
SHIPPED = Path(__file__).parents[2] / "config.yaml"

OLD_BLOCKS = """\
provider_name: openai
openai:
  api_key: ${OPENAI_API_KEY}
  model: gpt-4o-realtime-preview-2024-10-01
  voice: alloy
  modalities: ["audio", "text"]
  turn_detection:
    type: server_vad
  tools: []
vad:
  webrtc_aggressiveness: 1  # CRITICAL for OpenAI
  enhanced_enabled: true
  confidence_threshold: 0.6
  energy_threshold: 1500
modalities: ["audio", "text"]  # Required
logging:
  level: DEBUG
  providers:
    openai: DEBUG
"""


class Bench:
    """Writes ``config.yaml`` and loads it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "config.yaml"

    def load(self, text: str, env: Mapping[str, str] | None = None) -> Loaded:
        self.path.write_text(text, encoding="utf-8")
        return load(self.path, env or {})

    def refused(self, text: str, env: Mapping[str, str] | None = None) -> list[str]:
        """The lines of the error, each without the folder."""
        with pytest.raises(ConfigError) as caught:
            self.load(text, env)
        return str(caught.value).replace(f"{self.path.parent}/", "").split("\n")

    def warned(self, text: str, env: Mapping[str, str] | None = None) -> list[str]:
        warnings = self.load(text, env).warnings
        return [str(warning).replace(f"{self.path.parent}/", "") for warning in warnings]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_shipped_file_loads_with_an_empty_environment() -> None:
    loaded = load(SHIPPED, {})
    assert (loaded.provider, loaded.warnings) == ("offline", ())
    assert "OPENAI_API_KEY is not set" in loaded.provider_reason
    assert loaded.settings.asterisk.password.get_secret_value() == ""


def test_shipped_file_takes_secrets_and_numbers_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-file\n")
    (tmp_path / "ari").write_text("  ari secret \n")
    env = {
        "OPENAI_API_KEY_FILE": str(tmp_path / "key"),
        "ARI_PASSWORD_FILE": str(tmp_path / "ari"),
        "WEB_PORT": "8088",
    }
    loaded = load(SHIPPED, env)
    assert (loaded.provider, loaded.provider_reason) == ("openai", "OPENAI_API_KEY_FILE is set")
    assert loaded.settings.openai.api_key.get_secret_value() == "from-file"
    assert loaded.settings.asterisk.password.get_secret_value() == "ari secret"
    assert loaded.settings.web.port == 8088


@pytest.mark.parametrize(
    ("text", "env", "provider", "reason"),
    [
        ("", {}, "offline", "OPENAI_API_KEY is not set"),
        ("", KEY, "openai", "OPENAI_API_KEY is set"),
        ("openai: {api_key: abc}", {}, "openai", "openai.api_key is set"),
        ("provider_name: offline", KEY, "offline", "provider_name says so"),
        ("openai: {api_key: ''}", KEY, "offline", "there is no API key"),
    ],
)
def test_provider(bench: Bench, text: str, env: dict[str, str], provider: str, reason: str) -> None:
    loaded = bench.load(text, env)
    assert loaded.provider == provider
    assert reason in loaded.provider_reason


def test_old_blocks_load(bench: Bench) -> None:
    loaded = bench.load(OLD_BLOCKS, KEY)
    openai = loaded.settings.openai
    assert [warning.line for warning in loaded.warnings] == [4, 14]
    assert "retired on 2026-05-07; gpt-realtime-2.1 is used" in str(loaded.warnings[0])
    assert "deafens the gate" in str(loaded.warnings[1])
    assert (openai.model, openai.voice, openai.tools) == ("gpt-realtime-2.1", "alloy", None)
    assert openai.turn_detection is not None
    assert (openai.turn_detection.threshold, openai.turn_detection.silence_duration_ms) == (0.5, 500)
    assert loaded.settings.vad.energy_threshold == 1500
    assert loaded.settings.logging.providers == {"openai": "DEBUG"}


def test_barge_in_off_is_the_whole_block(bench: Bench) -> None:
    """YAML calls ``off`` a boolean; here it is the word that an operator would write."""
    loaded = bench.load("barge_in: off\nagents:\n  default:\n    barge_in: on")
    assert loaded.settings.barge_in.enabled is False
    assert resolve(loaded.settings, "default").barge_in.enabled is True


def test_old_blocks_without_key_name_it_once(bench: Bench) -> None:
    errors = [line for line in bench.refused(OLD_BLOCKS) if "warning" not in line]
    assert len(errors) == 1
    assert errors[0].startswith(
        "config.yaml:3: openai.api_key: the environment variable OPENAI_API_KEY is not"
    )
    assert "OPENAI_API_KEY_FILE" in errors[0]


INVALID_AUDIO = "Invalid modalities: ['audio']. Supported combinations: ['text'] and ['audio', 'text']."


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "vad:\n  aggressivness: 1",
            "config.yaml:2: vad.aggressivness: unknown key; did you mean webrtc_aggressiveness?",
        ),
        (
            "openai:\n  threshold: 0.5",
            "config.yaml:2: openai.threshold: unknown key; "
            "threshold exists as openai.turn_detection.threshold",
        ),
        ("zzz: 1", "config.yaml:1: zzz: unknown key; known here: provider_name, asterisk"),
        ("web:\n\n  port: x1", "config.yaml:3: web.port: expected whole number, 0 to 65535, not `x1`"),
        (
            "openai:\n  turn_detection:\n    threshold: 3",
            "config.yaml:3: openai.turn_detection.threshold: exp",
        ),
        ("openai: {dialect: gamma}", "config.yaml:1: openai.dialect: expected ga or beta, not `gamma`"),
        ("barge_in: never", "config.yaml:1: barge_in: expected block of keys, not `never`"),
        ("openai: yes please", "config.yaml:1: openai: expected block of keys, not `yes please`"),
        (
            "destinations:\n  a:\n    context: x",
            "config.yaml:2: destinations.a: is half a place in the dialplan; write context",
        ),
        ("media: {rtp: {ports: 5-}}", "config.yaml:1: media.rtp.ports: expected a range such as 20000-21999"),
        ("vad: {}\nweb: {}\nvad: {}", "config.yaml:3: vad: given twice (line 1 and line 3); keep one"),
        (
            "web: {port: '${P}'}",
            "config.yaml:1: web.port: the environment variable P is not set; set P, or P_F",
        ),
        ("web: {port: '${not ok}'}", "config.yaml:1: web.port: `${not ok}` is not a reference to a variable"),
        ("web: {bind: !host x}", "config.yaml:1: web.bind: the tag !host has no meaning here"),
        ("logging: &a {providers: *a}", "config.yaml:1: logging.providers: an alias that contains itself"),
        ("web: {port: '${P'}", "config.yaml:1: web.port: `${P` is not a reference"),
        (
            "web: {port: 'a\n\n  ${b'}",
            "config.yaml:1: web.port: `${b` is not a reference to a variable; write",
        ),
        (
            "logging: {level: 'a\n\n  b'}",
            "config.yaml:1: logging.level: expected DEBUG or INFO or WARNING or",
        ),
        ("? [a]\n: b", "config.yaml:1: ?: a key must be a word, not a list or a mapping"),
        ('modalities: ["audio"]', f"config.yaml:1: modalities: {INVALID_AUDIO}"),
        ('openai: {modalities: ["audio"]}', f"config.yaml:1: openai.modalities: {INVALID_AUDIO}"),
        (
            'openai: {modalities: ["audio"], dialect: beta, base_url: ws://127.0.0.1}',
            f"config.yaml:1: openai.modalities: {INVALID_AUDIO}",
        ),
        (
            'modalities: ["audio", "text"]\nopenai: {modalities: ["text"]}',
            "config.yaml:1: modalities: differs from openai.modalities",
        ),
        (
            "provider_name: openai",
            "config.yaml: openai.api_key: the provider is openai, but there is no API key; set",
        ),
    ],
)
def test_mistake(bench: Bench, text: str, line: str) -> None:
    lines = bench.refused(text)
    assert any(found.startswith(line) for found in lines), lines
    assert all(found.startswith("config.yaml") for found in lines), lines


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: b: c", "config.yaml:1:5: not valid YAML: mapping values are not allowed here"),
        (
            "web:\n\tport: 1",
            "config.yaml:2:1: not valid YAML: found character '\\t' that cannot start any token",
        ),
        ("web: {port: ${P:-1}}", "config.yaml:1:14: not valid YAML: "),
        ("web: \x07", "config.yaml:1:6: not valid YAML: a character that YAML does not allow"),
        ("- a", "config.yaml:1: the file must hold keys and values"),
        ("just words", "config.yaml:1: the file must hold keys and values"),
    ],
)
def test_no_yaml_is_one_line(bench: Bench, text: str, line: str) -> None:
    lines = bench.refused(text)
    assert len(lines) == 1
    assert lines[0].startswith(line), lines


def test_all_mistakes_in_one_go_in_order_and_warnings_last(bench: Bench) -> None:
    text = """\
media: {rtp: {source: first}}
vad:
  aggressivness: 1
  energy_threshold: loud
calls: {time_zone: Europe/Berln}
web: {port: "${PORT_OF_THE_PAGE}"}
"""
    places = [line.split(": ")[:2] for line in bench.refused(text)]
    assert places == [
        ["config.yaml:3", "vad.aggressivness"],
        ["config.yaml:4", "vad.energy_threshold"],
        ["config.yaml:5", "calls.time_zone"],
        ["config.yaml:6", "web.port"],
        ["config.yaml:1", "warning"],
    ]


def test_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"web:\n  bind: \xe9\n")
    for path, words in (
        (tmp_path / "none", "no such file"),
        (tmp_path, "cannot be read"),
        (latin, ":2: not UTF"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(path, {})
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def test_secret_file_that_cannot_be_read(bench: Bench) -> None:
    lines = bench.refused("openai: {api_key: '${OPENAI_API_KEY}'}", {"OPENAI_API_KEY_FILE": "/no/such"})
    assert lines == [
        "config.yaml:1: openai.api_key: OPENAI_API_KEY_FILE names /no/such, which cannot be read "
        "(No such file or directory); name a file that this user may read"
    ]


def test_no_secret_in_an_error(bench: Bench) -> None:
    text = "asterisk: {password: [hunter2]}\nopenai: {headers: {x: {y: hunter2}}, api_key: [hunter2]}"
    lines = bench.refused(text)
    assert len(lines) == 3
    assert "hunter2" not in str(lines)


def test_environment_is_filled_in_after_parsing(bench: Bench) -> None:
    env = {"NAME": "a: {b: [c]} # ${OTHER}", "OTHER": "x", "EMPTY": ""}
    text = "offline: {persona: '${NAME}|${EMPTY:-e}|${NONE:-}|${NONE:-d f}|$5'}"
    assert bench.load(text, env).settings.offline.persona == "a: {b: [c]} # ${OTHER}|e||d f|$5"


def test_plain_text_keeps_its_spelling(bench: Bench) -> None:
    text = """\
destinations: {desk: {context: in, exten: 0100}}
agents: {1: {match: {extension: 2_0}, language: no}}
vad: {enhanced_enabled: off, energy_threshold: 3e2}
"""
    settings = bench.load(text).settings
    assert settings.destinations["desk"].exten == "0100"
    assert settings.agents["1"].match is not None
    assert settings.agents["1"].match.extension == "2_0"
    assert settings.agents["1"].language == "no"
    assert (settings.vad.enhanced_enabled, settings.vad.energy_threshold) == (False, 300)


def test_session_is_passed_on_with_types_of_its_own(bench: Bench) -> None:
    text = "openai:\n  session: {a: 1, b: yes, c: '2', d: [0.5, ~], e: '${X}', f: 2026-01-01}"
    session = bench.load(text, {"X": "x"}).settings.openai.session
    assert session == {"a": 1, "b": True, "c": "2", "d": [0.5, None], "e": "x", "f": "2026-01-01"}


def test_aliases_and_merge_keys(bench: Bench) -> None:
    text = """\
agents:
  one: &one {match: {extension: "1"}, voice: cedar, greeting: One}
  two: &two {<<: *one, match: {extension: "2"}, greeting: Two}
  three: {<<: *two, match: {extension: "3"}}
  four: *two
"""
    agents = bench.load(text).settings.agents
    assert [(a.voice, a.greeting) for a in agents.values()] == [
        ("cedar", "One"),
        ("cedar", "Two"),
        ("cedar", "Two"),
        ("cedar", "Two"),
    ]


def test_empty_blocks_mean_defaults_and_null_means_null_where_it_can(bench: Bench) -> None:
    text = "openai:\n  voice:\n  turn_detection: null\n  transcription: ~\nvad:\nagents: {default: }\n"
    text += "destinations:\n"
    settings = bench.load(text).settings
    assert (settings.openai.voice, settings.vad.webrtc_aggressiveness) == ("marin", 1)
    assert settings.openai.turn_detection is None
    assert settings.openai.transcription is None
    assert settings.agents["default"].greeting is None
    assert settings.destinations == {}


def test_an_http_tool_as_it_is_written(bench: Bench) -> None:
    text = """
http_tools:
  order:
    description: Where an order is.
    url: https://shop.example/orders/{number}?key=${KEY}
    headers: {Authorization: "Bearer ${TOKEN}"}
    parameters:
      type: object
      properties: {number: {type: integer, minimum: 1}}
      required: [number]
    timeout: 5
"""
    loaded = bench.load(text, {"KEY": "k3y", "TOKEN": "t0ken"})
    tool = loaded.settings.http_tools["order"]
    assert tool.parameters["properties"] == {"number": {"type": "integer", "minimum": 1}}
    assert tool.url.get_secret_value() == "https://shop.example/orders/{number}?key=k3y"
    assert tool.headers["Authorization"].get_secret_value() == "Bearer t0ken"
    assert tool.timeout == 5
    assert "k3y" not in repr(loaded)
    assert "t0ken" not in repr(loaded)
