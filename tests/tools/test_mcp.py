"""MCP tools against a real server of the ``mcp`` package, over both transports, there and away."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from bot.config.settings import Settings
from bot.tools import mcp, servers
from bot.tools.base import MAX_ANSWER_CHARS, ToolResult, run_tool
from bot.tools.registry import ToolRegistry, open_registry
from tests.fakes.nobody import NoCall

SERVER = str(Path(__file__).with_name("mcp_server.py"))
ALL = {"stock", "key", "broken", "slow", "shop_hangup_call", "long", "end"}


class HttpServer:
    """The server as a process, on a port that stays the same when it starts again."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["setpriv", "--pdeathsig", "KILL", sys.executable, SERVER, str(self.port)]
        self._process = subprocess.Popen(command, env={"SHOP_KEY": "s3cret-of-the-shop"})

    def is_up(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def http() -> Iterator[HttpServer]:
    server = HttpServer()
    server.start()
    yield server
    server.stop()


STDIO: dict[str, Any] = {"command": sys.executable, "args": [SERVER, "stdio"], "env": {"SHOP_KEY": "s3cret"}}


def over_http(server: HttpServer) -> dict[str, Any]:
    return {"url": server.url, "headers": {"X-Key": "s3cret-of-the-shop"}}


@asynccontextmanager
async def registry(**blocks: Any) -> AsyncIterator[ToolRegistry]:
    async with open_registry(Settings.model_validate(blocks)) as opened:
        yield opened


def names(tools: ToolRegistry) -> set[str]:
    """What is offered, beside what comes along in any case."""
    own = {"gather_digits", "send_dtmf", "take_message"}
    return {tool["name"] for tool in tools.to_openai_realtime_schema()} - own


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.02)


async def call(tools: ToolRegistry, name: str, **arguments: Any) -> ToolResult:
    tool = tools.get(name)
    assert tool is not None
    return await run_tool(tool, NoCall(), orjson.dumps(arguments).decode())


@pytest.fixture(params=["stdio", "http"])
def shop(request: pytest.FixtureRequest) -> dict[str, Any]:
    return STDIO if request.param == "stdio" else over_http(request.getfixturevalue("http"))


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server needs seconds to import its packages on a busy machine."""
    monkeypatch.setattr(servers, "READY_WITHIN_S", 60)
    monkeypatch.setattr(mcp, "CONNECT_WITHIN_S", 60)
    monkeypatch.setattr(mcp, "RETRY_AFTER_S", (0.2,))


async def test_tools_are_offered_flat_and_answer(shop: dict[str, Any]) -> None:
    async with registry(mcp_servers={"shop": shop}) as tools:
        await until(lambda: len(names(tools)) > 1)
        assert names(tools) == ALL | {"hangup_call"}
        (described,) = tools.to_openai_realtime_schema(["stock"])
        assert described["description"] == "How many of an item there are."
        assert described["parameters"]["required"] == ["item"]
        assert (await call(tools, "stock", item="bell")).output == {
            "ok": True,
            "answer": {"item": "bell", "count": 7},
        }


async def test_faults_are_told_in_words(shop: dict[str, Any]) -> None:
    async with registry(mcp_servers={"shop": {**shop, "timeout": 1}}) as tools:
        await until(lambda: "stock" in names(tools))
        wrong = await call(tools, "stock", things="bell")
        assert "item" in wrong.error
        assert "Field required" in wrong.error
        assert "broken" in (await call(tools, "broken", number=1)).error
        assert (await call(tools, "slow")).error == "no result within 1 s"
        assert len((await call(tools, "long")).output["answer"]) <= MAX_ANSWER_CHARS
        assert (await call(tools, "stock", item="bell")).error == "", "after all that it still answers"


async def test_a_name_that_is_taken_gets_the_servers_before_it() -> None:
    async with registry(mcp_servers={"shop": STDIO}) as tools:
        assert type(tools.get("hangup_call")).__name__ == "HangupCall"
        assert (await call(tools, "shop_hangup_call")).output["answer"] == {"result": "not the bot's"}


async def test_only_what_the_operator_lists_is_there() -> None:
    both = {"shop": {**STDIO, "tools": ["stock"]}, "other": {**STDIO, "tools": ["stock", "key"]}}
    async with registry(mcp_servers=both) as tools:
        assert names(tools) == {"hangup_call", "stock", "other_stock", "key"}
        assert {tool["name"] for tool in tools.to_openai_realtime_schema(["other"])} == {"key", "other_stock"}
        assert tools.get("broken") is None


async def test_the_environment_is_handed_over_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", "the bot's own")
    async with registry(mcp_servers={"shop": STDIO, "bare": {**STDIO, "env": {}}}) as tools:
        assert (await call(tools, "key")).output["answer"] == {"result": "s3cret"}
        assert (await call(tools, "bare_key")).output["answer"] == {"result": "no key"}


async def test_a_server_that_is_away_costs_one_line_and_comes_back(
    http: HttpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    await until(http.is_up)
    async with registry(mcp_servers={"shop": over_http(http)}) as tools:
        await until(lambda: "stock" in names(tools))
        http.stop()
        assert (await call(tools, "stock", item="bell")).error == mcp.AWAY
        await until(lambda: "stock" not in names(tools))
        assert (await call(tools, "stock", item="bell")).error == mcp.AWAY
        await asyncio.sleep(1)
        http.start()
        await until(lambda: "stock" in names(tools))
        assert (await call(tools, "stock", item="bell")).error == ""
    captured = capsys.readouterr()
    written = captured.out + captured.err
    assert written.count("mcp_server_away") == 1
    assert written.count("mcp_server_connected") == 2
    assert "Traceback" not in written
    assert "s3cret" not in written


async def test_a_program_that_ends_is_started_again() -> None:
    async with registry(mcp_servers={"shop": STDIO}) as tools:
        assert (await call(tools, "end")).error == mcp.AWAY
        await until(lambda: "stock" not in names(tools))
        await until(lambda: "stock" in names(tools))
        assert (await call(tools, "stock", item="bell")).error == ""


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        ({"command": "/no/such/program"}, "No such file"),
        ({"command": sys.executable, "args": ["-c", "print('no MCP')"]}, ""),
        ({"url": "http://127.0.0.1:9/mcp?key=k3y"}, "ConnectError"),
    ],
)
async def test_a_server_that_never_was_there_holds_nothing_up(
    server: dict[str, Any], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with registry(mcp_servers={"shop": server}) as tools:
        assert names(tools) == {"hangup_call"}
        await asyncio.sleep(0.5)
    captured = capsys.readouterr()
    written = captured.out + captured.err
    assert written.count("mcp_server_away") == 1
    assert reason in written
    assert "Traceback" not in written
    assert "k3y" not in written


async def test_a_wrong_key_is_away_and_not_shown(
    http: HttpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    await until(http.is_up)
    async with registry(mcp_servers={"shop": {"url": http.url, "headers": {"X-Key": "wr0ng"}}}) as tools:
        assert names(tools) == {"hangup_call"}
    captured = capsys.readouterr()
    assert "mcp_server_away" in captured.out + captured.err
    assert "wr0ng" not in captured.out + captured.err


async def test_nothing_is_left_of_a_program(tmp_path: Path) -> None:
    """Also when a function of it is running."""
    async with registry(mcp_servers={"shop": STDIO}) as tools:
        assert await asyncio.to_thread(children)
        running = asyncio.create_task(call(tools, "slow"))
        await asyncio.sleep(0.2)
        running.cancel()
    assert not await asyncio.to_thread(children)


def children() -> list[str]:
    """Programs of ours that run the server."""
    pids = [
        pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()
    ]
    return [pid for pid in pids if SERVER in Path(f"/proc/{pid}/cmdline").read_text()]
