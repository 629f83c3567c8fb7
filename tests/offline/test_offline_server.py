"""The server over real WebSockets: who is let in, whole conversations in both dialects, and its end."""

import asyncio
import json
import socket
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bot.errors import ConfigError, ResourceError
from bot.offline import OfflineParams, OfflineServer, serve
from tests.offline.peer import HANGUP, Peer, only, peer, silence, speech, types

SCRIPTED = OfflineParams(scripted=True, speed=0)
TURN = speech(600) + silence(700)


@pytest.fixture
async def server() -> AsyncIterator[OfflineServer]:
    async with OfflineServer(SCRIPTED) as server:
        yield server


async def refused(url: str, headers: dict[str, str] | None = None) -> tuple[str, int]:
    """The error code and the close code that a client meets."""
    async with connect(url, additional_headers=headers) as client:
        event = json.loads(await client.recv())
        assert event["type"] == "error"
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        return event["error"]["code"], closed.value.rcvd.code


# ---------------------------------------------------------------------------- who is let in


async def test_a_wrong_key_is_refused_after_the_handshake_and_the_right_one_is_not() -> None:
    async with OfflineServer(replace(SCRIPTED, api_key="right")) as server:
        url = f"{server.url}?model=offline"
        assert await refused(url, {"Authorization": "Bearer wrong"}) == ("invalid_api_key", 3000)
        assert await refused(url) == ("invalid_api_key", 3000)
        for headers in ({"Authorization": "Bearer right"}, {"api-key": "right"}):
            async with connect(url, additional_headers=headers) as client:
                assert json.loads(await client.recv())["type"] == "session.created"


async def test_models(server: OfflineServer) -> None:
    assert await refused(f"{server.url}?model=gpt-5") == ("model_not_found", 4004)
    assert await refused(server.url) == ("missing_model", 4000)
    for model in ("gpt-realtime-2.1", "offline", "offline-demo"):
        async with connect(f"{server.url}?model={model}") as client:
            assert json.loads(await client.recv())["session"]["model"] == model


async def test_the_beta_header_is_refused_by_ga_and_taken_by_beta(server: OfflineServer) -> None:
    headers = {"OpenAI-Beta": "realtime=v1"}
    assert await refused(f"{server.url}?model=offline", headers) == ("beta_api_shape_disabled", 4000)
    async with OfflineServer(replace(SCRIPTED, dialect="beta")) as beta:
        url = f"{beta.url}?model=gpt-4o-realtime-preview"
        async with connect(url, additional_headers=headers) as client:
            assert json.loads(await client.recv())["session"]["modalities"] == ["audio", "text"]


async def test_other_paths_and_the_health_check(server: OfflineServer) -> None:
    base = f"127.0.0.1:{server.port}"
    with pytest.raises(InvalidStatus) as refusal:
        await connect(f"ws://{base}/v1/chat")
    assert refusal.value.response.status_code == 404
    body = await asyncio.to_thread(lambda: urllib.request.urlopen(f"http://{base}/healthz").read())
    assert body == b"ok\n"


async def test_a_taken_port_and_a_bad_persona_are_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ResourceError, match="cannot listen"):
            await OfflineServer(replace(SCRIPTED, port=taken.getsockname()[1])).start()
    persona = tmp_path / "persona.yaml"
    persona.write_text("greeting: hello\nintents: [{phrases: [bye]}]\nfallbak: x\n")
    with pytest.raises(ConfigError) as error:
        await OfflineServer(replace(SCRIPTED, persona=persona)).start()
    assert "intents.0.call" in str(error.value)
    assert "fallbak" in str(error.value)


# ---------------------------------------------------------------------------- conversations


async def configure(client: Peer, **fields: Any) -> None:
    if client.dialect == "ga":
        settings: dict[str, Any] = {
            "type": "realtime",
            "audio": {"input": {"transcription": {"model": "gpt-transcribe"}}},
        }
    else:
        settings = {"modalities": ["audio", "text"], "input_audio_transcription": {"model": "whisper-1"}}
    await client.send("session.update", session=settings | {"tools": [HANGUP]} | fields)
    await client.until("session.updated")


@pytest.mark.parametrize(
    ("dialect", "model"), [("ga", "gpt-realtime-2.1"), ("beta", "gpt-4o-realtime-preview")]
)
async def test_a_whole_conversation(dialect: Any, model: str) -> None:
    """Greeting, a question, goodbye with the function's outcome; `Peer` checks every event's type."""
    async with (
        OfflineServer(replace(SCRIPTED, dialect=dialect)) as server,
        peer(server.url, dialect, model) as client,
    ):
        await client.until("session.created")
        await configure(client)
        await client.send(
            "response.create",
            response={"instructions": 'Greet the caller by saying: "Welcome. How can I help?"'},
        )
        greeting = (await client.until("response.done"))["response"]
        assert greeting["output"][0]["content"][0]["transcript"] == "Welcome. How can I help?"
        assert len(client.audio_of(greeting["id"])) == 5 * 300 * 48

        for turn, said in enumerate(("hello", "what are your opening hours", "goodbye")):
            await client.hear(TURN)
            done = (await client.until("response.done"))["response"]
            heard = [e for e in client.events if e["type"].endswith("transcription.completed")]
            assert (len(heard), heard[-1]["transcript"]) == (turn + 1, said)
            assert done["status"] == "completed"
        (call,) = done["output"]
        assert (call["type"], call["name"], call["status"]) == ("function_call", "hangup_call", "completed")

        output = {"type": "function_call_output", "call_id": call["call_id"], "output": '{"ok": true}'}
        await client.send("conversation.item.create", item=output)
        await client.send("response.create", response={"tool_choice": "none"})
        farewell = (await client.until("response.done"))["response"]
        assert "Goodbye" in farewell["output"][0]["content"][0]["transcript"]
        await client.until("rate_limits.updated")
        ids = [event["event_id"] for event in client.events]
        assert len(set(ids)) == len(ids)


async def test_typed_words_are_answered_like_spoken_ones(server: OfflineServer) -> None:
    async with peer(server.url) as client:
        content = [{"type": "input_text", "text": "Where is your shop?"}]
        item = {"type": "message", "role": "user", "content": content}
        await client.send("conversation.item.create", item=item)
        await client.send("response.create", response={"output_modalities": ["text"]})
        done = (await client.until("response.done"))["response"]
        assert "Harbour Street" in done["output"][0]["content"][0]["text"]


async def test_speaking_over_the_agent_cancels_it_and_no_audio_follows() -> None:
    async with OfflineServer(replace(SCRIPTED, speed=2)) as server, peer(server.url) as client:
        await client.send("response.create", response={"instructions": 'Say "' + "word " * 40 + '"'})
        await client.until("response.output_audio.delta")
        await client.hear(speech(300))
        done = (await client.until("response.done"))["response"]
        assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        await client.hear(silence(700))
        await client.until("response.done")
        after = client.events[
            client.events.index(next(e for e in client.events if e.get("response") == done)) :
        ]
        assert not [e for e in after if e.get("response_id") == done["id"]]


@pytest.mark.parametrize(
    ("audio_format", "bytes_per_s"), [("audio/pcm", 48000), ("audio/pcmu", 8000), ("audio/pcma", 8000)]
)
async def test_output_formats(server: OfflineServer, audio_format: str, bytes_per_s: int) -> None:
    async with peer(server.url) as client:
        audio = {"output": {"format": {"type": audio_format}}}
        await client.send("session.update", session={"type": "realtime", "audio": audio})
        await client.send("response.create", response={"instructions": 'Say "one two three four."'})
        done = (await client.until("response.done"))["response"]
        assert len(client.audio_of(done["id"])) == pytest.approx(1.2 * bytes_per_s, abs=8)
        truncate = {"item_id": done["output"][0]["id"], "content_index": 0, "audio_end_ms": 1300}
        await client.send("conversation.item.truncate", **truncate)
        message = (await client.until("error"))["error"]["message"]
        assert message == "Audio content of 1200ms is already shorter than 1300ms"


async def test_audio_is_delivered_as_fast_as_asked() -> None:
    async with OfflineServer(replace(SCRIPTED, speed=10)) as server, peer(server.url) as client:
        await client.send("response.create", response={"instructions": 'Say "' + "word " * 20 + '"'})
        await client.until("response.output_audio.delta")
        started = time.monotonic()
        await client.until("response.output_audio.done")
        assert time.monotonic() - started == pytest.approx(0.6, abs=0.25)


async def test_a_session_ends_when_its_life_is_over() -> None:
    async with (
        OfflineServer(replace(SCRIPTED, session_s=0.2)) as server,
        connect(f"{server.url}?model=offline") as client,
    ):
        await client.recv()
        assert json.loads(await client.recv())["error"]["code"] == "session_expired"
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001


async def test_closing_ends_sessions_in_the_middle_of_a_word() -> None:
    async with (
        OfflineServer(replace(SCRIPTED, speed=1)) as server,
        connect(f"{server.url}?model=offline") as client,
    ):
        create = {"instructions": 'Say "' + "word " * 40 + '"'}
        await client.send(json.dumps({"type": "response.create", "response": create}))
        while json.loads(await client.recv())["type"] != "response.output_audio.delta":
            pass
        await server.close()
        with pytest.raises(ConnectionClosed):
            while True:
                await client.recv()
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_serve_runs_until_told_to_stop() -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(serve(SCRIPTED, stop))
    await asyncio.sleep(0.2)
    assert not running.done()
    stop.set()
    await asyncio.wait_for(running, 5)


async def test_as_a_process_it_says_where_it_listens_and_stops_on_sigterm() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot.offline", "--scripted", "--speed", "0", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            async with peer((await process.stdout.readline()).decode().strip()) as client:
                await client.until("session.created")
            process.terminate()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_forty_sessions_at_once(server: OfflineServer) -> None:
    async def talk() -> str:
        async with peer(server.url) as client:
            await configure(client)
            await client.hear(TURN, step=9600)
            done = (await client.until("response.done"))["response"]
            assert types(client.events)[-1] == "response.done"
            only(client.events, "conversation.item.input_audio_transcription.completed")
            return str(done["status"])

    assert await asyncio.gather(*(talk() for _ in range(40))) == ["completed"] * 40
