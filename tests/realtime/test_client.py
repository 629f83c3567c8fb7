"""The Realtime client against the embedded model: settings, refusals, the operators' log lines."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bot.errors import ModelError
from bot.offline import OfflineParams, OfflineServer
from bot.realtime import events
from bot.realtime.client import Endpoint, RealtimeClient
from bot.realtime.dialects import SessionRequest

TOOL = {
    "type": "function",
    "name": "hangup_call",
    "description": "End the call.",
    "parameters": {"type": "object", "properties": {}},
}
REQUEST = SessionRequest(
    instructions="Be kind.",
    voice="marin",
    turn_detection={"type": "server_vad", "silence_duration_ms": 400},
    transcription={"model": "gpt-transcribe"},
    tools=(TOOL,),
)


@asynccontextmanager
async def opened(
    request: SessionRequest = REQUEST, *, dialect: str = "ga", spoken: str | None = None
) -> AsyncIterator[tuple[RealtimeClient, list[events.Event]]]:
    """A client of an embedded model of its own; ``spoken`` is the dialect that the client speaks."""
    heard: list[events.Event] = []
    async with OfflineServer(OfflineParams(scripted=True, dialect=dialect, speed=0)) as server:  # type: ignore[arg-type]
        headers = {"OpenAI-Beta": "realtime=v1"} if (spoken or dialect) == "beta" else {}
        where = Endpoint(f"{server.url}?model=offline", headers, spoken or dialect, connect_timeout=3)
        client = RealtimeClient(where, request, heard.append)
        try:
            await client.connect()
            yield client, heard
        finally:
            await client.close()


async def until(condition: Callable[[], Any], timeout: float = 5.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.005)


def of(kind: type[events.Event], heard: list[events.Event]) -> list[Any]:
    return [event for event in heard if isinstance(event, kind)]


@pytest.mark.parametrize("dialect", ["ga", "beta"])
async def test_a_greeting_in_either_dialect(dialect: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with opened(dialect=dialect) as (client, heard):
        client.respond({"instructions": 'Greet the caller now by saying: "Good morning."'})
        await until(lambda: of(events.ResponseDone, heard))
        assert [event.text for event in of(events.AgentTranscript, heard)] == ["Good morning."]
        item = of(events.AgentAudio, heard)[0].item_id
        assert client.session.received_ms(item) > 300
    output = capsys.readouterr()
    text = output.out + output.err
    for line in (
        "OpenAI Realtime session created",
        "OpenAI session configured with 1 tools",
        "Session updated with tools: 1",
        "response.audio.delta: 9600 bytes",
        "response.done received",
    ):
        assert line in text


async def test_nested_tools_are_refused_with_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    nested = {"type": "function", "function": {"name": "hangup_call"}}
    with pytest.raises(ModelError, match=r"session\.tools\[0\]\.name"):
        async with opened(SessionRequest(instructions="", voice="marin", tools=(nested,))):
            pass
    output = capsys.readouterr()
    assert "missing_required_parameter: session.tools[0].name" in output.out + output.err


async def test_the_wrong_dialect_is_named() -> None:
    with pytest.raises(ModelError, match=r"openai\.dialect"):
        async with opened(spoken="beta"):
            pass


async def test_a_setting_the_server_ignores_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    async with opened(SessionRequest(instructions="x", voice="marin")) as (client, _):
        client._note(events.SessionUpdated({**client.session.body, "instructions": "other"}))
    output = capsys.readouterr()
    text = output.out + output.err
    assert "session_setting_ignored" in text
    assert "instructions" in text


async def test_what_is_no_event_is_counted_and_survived() -> None:
    async with opened() as (client, heard):
        client._receive(b"\x00 nonsense")
        client._receive(b'{"type":"something.new"}')
        before = client.unknown_events
        assert before >= 2
        client.respond({"instructions": 'Say: "Hello."'})
        await until(lambda: of(events.ResponseDone, heard))


async def test_the_end_of_a_session_is_an_outcome_not_an_exception() -> None:
    async with OfflineServer(OfflineParams(scripted=True)) as server:
        client = RealtimeClient(
            Endpoint(f"{server.url}?model=offline", {}, "ga"), REQUEST, lambda event: None
        )
        await client.connect()
        running = asyncio.create_task(client.run())
        await asyncio.sleep(0.05)
        await server.close()
        outcome = await asyncio.wait_for(running, 5)
    assert outcome.retry
    await client.close()
