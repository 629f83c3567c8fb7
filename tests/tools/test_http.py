"""HTTP tools against a real server, slow, broken and huge in turn; and what they may not reach."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from bot.config.settings import HttpTool
from bot.tools.base import MAX_ANSWER_CHARS, ToolResult, run_tool
from bot.tools.http import HttpFunction, is_public, public_socket
from tests.fakes.nobody import NoCall
from tests.tools.web import WebService

NUMBER = {
    "type": "object",
    "properties": {"number": {"type": "string"}, "page": {"type": "integer", "minimum": 1}},
    "required": ["number"],
}


@pytest.fixture
def service() -> Iterator[WebService]:
    with WebService() as running:
        yield running


def tool(service: WebService, **changes: Any) -> HttpFunction:
    settings = {
        "description": "Looks an order up.",
        "parameters": NUMBER,
        "url": f"{service.url}/orders/{{number}}",
        "allow_private": True,
        **changes,
    }
    return HttpFunction("order", HttpTool.model_validate(settings))


async def call(function: HttpFunction, **arguments: Any) -> ToolResult:
    return await run_tool(function, NoCall(), orjson.dumps(arguments).decode())


async def test_the_answer_comes_back(service: WebService) -> None:
    function = tool(service, headers={"X-Key": "k3y"})
    result = await call(function, number="A 7", page=2)
    assert result.output == {"ok": True, "answer": {"status": "shipped", "lines": [{"name": "bell"}]}}
    (seen,) = service.seen
    assert (seen["method"], seen["path"], seen["body"]) == ("GET", "/orders/A%207?page=2", "")
    assert seen["headers"]["X-Key"] == "k3y"


async def test_what_the_address_does_not_name_is_the_body_of_a_post(service: WebService) -> None:
    await call(tool(service, method="POST"), number="7", page=2)
    (seen,) = service.seen
    assert (seen["method"], seen["path"], orjson.loads(seen["body"])) == ("POST", "/orders/7", {"page": 2})
    assert seen["headers"]["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("answer", "expected"), [("status", "shipped"), ("lines.0.name", "bell"), ("lines.0", {"name": "bell"})]
)
async def test_the_part_of_the_answer_that_is_wanted(
    service: WebService, answer: str, expected: object
) -> None:
    assert (await call(tool(service, answer=answer), number="7")).output["answer"] == expected


@pytest.mark.parametrize("answer", ["state", "lines.1", "lines.-1", "lines.x", "status.x"])
async def test_a_part_that_is_not_there(service: WebService, answer: str) -> None:
    result = await call(tool(service, answer=answer), number="7")
    assert result.error == f"the service's answer has no {answer}"


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("reset", "the service cannot be reached"),
        ("half", "the service cannot be reached"),
        ("500", "the service answered 500"),
        ("elsewhere", "the service answered 302"),
        ("page", "the service did not answer with JSON"),
        ("huge", "the service's answer is too long"),
    ],
)
async def test_a_broken_service_is_told_in_words(service: WebService, how: str, error: str) -> None:
    result = await call(tool(service, method="POST"), number=how)
    assert result.error == error
    assert result.output["ok"] is False
    assert result.output["advice"]
    assert len(service.seen) == 1, "asked once, a redirect not followed"


async def test_nobody_there(service: WebService) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    result = await call(tool(service, url=f"http://127.0.0.1:{free}/{{number}}"), number="7")
    assert result.error == "the service cannot be reached"


async def test_an_empty_answer_is_null(service: WebService) -> None:
    assert (await call(tool(service), number="nothing")).output == {"ok": True, "answer": None}


async def test_a_long_answer_is_cut(service: WebService) -> None:
    output = (await call(tool(service), number="long")).output
    assert len(output["answer"]) == MAX_ANSWER_CHARS
    assert "first" in output["advice"]


async def test_the_time_limit_closes_the_connection(service: WebService) -> None:
    result = await call(tool(service, timeout=0.2), number="slow")
    assert result.error == "no result within 0.2 s"
    assert await asyncio.to_thread(service.dropped.wait, 5)


async def test_a_call_that_ends_closes_the_connection(service: WebService) -> None:
    running = asyncio.create_task(call(tool(service), number="slow"))
    while not service.seen:
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert await asyncio.to_thread(service.dropped.wait, 5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "'number' is a required property"),
        ({"number": 5}, "number: 5 is not of type 'string'"),
        ({"number": "5", "page": 0}, "page: 0 is less than the minimum of 1"),
        ({"number": "5", "url": "http://x"}, "Additional properties are not allowed"),
        ({"number": "../admin"}, "number: must not be empty, nor hold a slash"),
        ({"number": ".."}, "may not be . or .."),
    ],
)
async def test_wrong_arguments_never_leave(
    service: WebService, arguments: dict[str, Any], words: str
) -> None:
    result = await call(tool(service), **arguments)
    assert result.error.startswith("invalid arguments")
    assert words in result.error
    assert service.seen == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0.0.0.0"])
async def test_a_private_address_is_refused_whatever_its_name(service: WebService, host: str) -> None:
    url = f"http://{host}:{service.port}/orders/{{number}}"
    result = await call(tool(service, url=url, allow_private=False), number="7")
    assert result.error == "the service cannot be reached"
    assert service.seen == []


async def test_the_log_says_what_to_do_and_no_secret(
    service: WebService, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"http://user:pa55@127.0.0.1:{service.port}/orders/{{number}}?key=k3y"
    await call(tool(service, url=url, allow_private=False, headers={"X-Token": "t0k"}), number="7")
    await call(tool(service, url=url, headers={"X-Token": "t0k"}), number="half")
    await call(tool(service, url=url, headers={"X-Token": "t0k"}), number="reset")
    captured = capsys.readouterr()
    written = captured.out + captured.err
    assert "allow_private: true" in written
    assert written.count("http_tool_failed") == 3
    assert not [secret for secret in ("pa55", "k3y", "t0k") if secret in written]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "240.0.0.1", "::", "::1", "fe80::1", "fe80::1%eth0", "fd00::1",
        "ff02::1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:db8::1",
    ],
)  # fmt: skip
def test_not_on_the_internet(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(OSError):
        public_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 80)))


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "64:ff9b::101:101"])
def test_on_the_internet(address: str) -> None:
    assert is_public(address)
