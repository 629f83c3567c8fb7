"""Tools of a really installed package: found, described, checked, run."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.config import own_tools
from bot.config.check import KNOWN_TOOLS, check
from bot.config.profile import resolve
from bot.config.rules import Subject
from bot.config.settings import Settings
from bot.errors import ConfigError
from bot.tools.base import run_tool
from bot.tools.registry import ToolRegistry, built_tools
from tests.fakes.nobody import NoCall
from tests.tools.package import install

Install = Callable[..., None]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """``package(weather="weather")``: the package is there, with these tools and functions."""

    def make(**tools: str) -> None:
        points = {name: f"voicebot_weather:{function}" for name, function in tools.items()}
        monkeypatch.syspath_prepend(str(install(tmp_path, points)))
        own_tools.installed.cache_clear()

    yield make
    own_tools.installed.cache_clear()
    sys.modules.pop("voicebot_weather", None)


def registry() -> ToolRegistry:
    return ToolRegistry(built_tools(Settings()))


async def run(name: str, arguments: str, call: NoCall | None = None) -> dict[str, object]:
    tool = registry().get(name)
    assert tool is not None
    return dict((await run_tool(tool, call or NoCall(), arguments)).output)


def test_annotations_become_the_schema(package: Install) -> None:
    package(weather="weather")
    (described,) = registry().to_openai_realtime_schema(["weather"])
    assert described["description"] == "The weather of the next days."
    parameters = described["parameters"]
    assert parameters["properties"]["town"] == {"description": "A town.", "title": "Town", "type": "string"}
    assert parameters["required"] == ["town"]
    assert parameters["additionalProperties"] is False


async def test_it_runs_and_its_result_goes_back(package: Install) -> None:
    package(weather="weather")
    assert await run("weather", '{"town":"Harbour","days":2}') == {
        "ok": True,
        "answer": {"town": "Harbour", "sky": "cloudy"},
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("{}", "town: Field required"),
        ('{"town":"A","days":"many"}', "days: Input should be a valid integer"),
        ('{"town":"A","number":"911"}', "number: Extra inputs are not permitted"),
        ('{"town":"Nowhere"}', "there is no such town"),
    ],
)
async def test_what_is_wrong_goes_back_in_words(package: Install, arguments: str, words: str) -> None:
    package(weather="weather")
    output = await run("weather", arguments)
    assert output["ok"] is False
    assert words in str(output["error"])


async def test_it_may_be_given_the_call(package: Install) -> None:
    package(give_up="give_up")
    call = NoCall()
    schema = registry().to_openai_realtime_schema(["give_up"])[0]["parameters"]
    assert list(schema["properties"]) == ["reason"]
    assert (await run("give_up", '{"reason":"noise"}', call))["ok"] is True
    assert [departure.reason for departure in call.left] == ["noise"]


async def test_an_odd_result_and_a_fault_stay_in_the_tool(package: Install) -> None:
    package(odd="odd", faulty="faulty")
    assert (await run("odd", "{}"))["ok"] is True
    output = await run("faulty", "{}")
    assert output["error"] == "the function failed"
    assert "secret" not in str(output)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("not_async", "`async def`"),
        ("not_told", "docstring"),
        ("not_typed", "parameter x has no annotation"),
        ("not_named", "parameter things cannot be given by name"),
        ("not_there", "AttributeError"),
    ],
)
def test_what_cannot_be_a_tool_stops_the_start(package: Install, function: str, words: str) -> None:
    package(thing=function)
    with pytest.raises(ConfigError) as raised:
        registry()
    line = str(raised.value)
    assert "the tool thing of voicebot-weather" in line
    assert words in line
    assert "\n" not in line


def test_agents_have_it_and_may_name_it(package: Install) -> None:
    package(weather="weather")
    settings = Settings.model_validate({"agents": {"other": {"tools": ["weather"]}, "none": {"tools": []}}})
    assert resolve(settings, "default").tools == ("hangup_call", "weather")
    assert resolve(settings, "none").tools == ()
    found = check(Subject(settings, "offline", KNOWN_TOOLS))
    assert not [finding for finding in found if finding.severity == "error"]


@pytest.mark.parametrize("name", ["hangup_call", "order"])
def test_a_name_that_is_taken_is_an_error(package: Install, name: str) -> None:
    package(**{name: "weather"})
    tool = {"description": "d", "url": "https://shop.example/"}
    settings = Settings.model_validate({"http_tools": {"order": tool}})
    (found,) = check(Subject(settings, "offline", KNOWN_TOOLS))
    assert "voicebot-weather" in found.message
