"""A client that nobody here wrote: the ``openai`` package's own, in both dialects."""

import base64

from openai import AsyncOpenAI

from bot.offline import OfflineParams, OfflineServer
from tests.offline.peer import silence, speech


def client_of(server: OfflineServer) -> AsyncOpenAI:
    return AsyncOpenAI(api_key="any", websocket_base_url=server.url.removesuffix("/realtime"))


async def test_ga() -> None:
    async with (
        OfflineServer(OfflineParams(scripted=True, speed=0)) as server,
        client_of(server).realtime.connect(model="gpt-realtime") as connection,
    ):
        await connection.session.update(
            session={
                "type": "realtime",
                "instructions": "Be kind.",
                "audio": {
                    "input": {"transcription": {"model": "gpt-transcribe"}},
                    "output": {"voice": "cedar"},
                },
            }
        )
        audio = speech(600) + silence(700)
        for at in range(0, len(audio), 4800):
            await connection.input_audio_buffer.append(audio=base64.b64encode(audio[at : at + 4800]).decode())
        heard, said, received = "", "", 0
        async for event in connection:
            if event.type == "conversation.item.input_audio_transcription.completed":
                heard = event.transcript
            elif event.type == "response.output_audio.delta":
                received += len(base64.b64decode(event.delta))
            elif event.type == "response.output_audio_transcript.done":
                said = event.transcript
            elif event.type == "response.done":
                assert event.response.usage is not None
                break
        assert (heard, said) == ("hello", "Hello! What can I do for you?")
        assert received == 7 * 300 * 48


async def test_beta() -> None:
    async with (
        OfflineServer(OfflineParams(scripted=True, speed=0, dialect="beta")) as server,
        client_of(server).beta.realtime.connect(model="gpt-4o-realtime-preview") as connection,
    ):
        await connection.session.update(session={"modalities": ["text"], "instructions": "Be kind."})
        await connection.conversation.item.create(
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "How can I pay?"}],
            }
        )
        await connection.response.create()
        said = ""
        async for event in connection:
            if event.type == "response.text.done":
                said = event.text
            elif event.type == "response.done":
                break
        assert said == "You can pay by card or in cash."
