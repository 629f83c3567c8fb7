"""Real ears and a real voice: spoken questions over telephone-quality audio, the answers heard again."""

import base64
import re
import shutil
from collections.abc import AsyncIterator

import pytest

from bot.audio import g711
from bot.errors import ResourceError
from bot.offline import OfflineParams, OfflineServer
from bot.offline.ears import transcribe
from bot.offline.formats import encode
from bot.offline.voice import EspeakVoice, PiperVoice, Voice, open_voice
from tests.offline.peer import HANGUP, Peer, peer

pytestmark = [pytest.mark.speech, pytest.mark.timeout(240)]

TAKES = 3


@pytest.fixture
async def voice() -> AsyncIterator[Voice]:
    voice = await open_voice()
    yield voice
    await voice.close()


def words(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))


async def ask(client: Peer, voice: Voice, sentence: str, expected: str) -> str:
    """The answer to a sentence heard with the words ``expected``. Who is misheard says it again: Piper
    never says a sentence twice the same."""
    for take in range(TAKES):
        heard, answer = await say(client, await voice.say(sentence + take * " "))  # another to its memory
        if expected in heard:
            return answer
    pytest.fail(f"{expected!r} was heard as {heard!r}")


async def say(client: Peer, pcm: bytes) -> tuple[str, str]:
    """Says ``pcm`` (24 kHz) in μ-law; the transcript of it, and what the answer sounds like or calls."""
    audio = b"\xff" * 2400 + encode(pcm, "audio/pcmu") + b"\xff" * 8000
    for at in range(0, len(audio), 160):
        frame = base64.b64encode(audio[at : at + 160]).decode()
        await client.send("input_audio_buffer.append", audio=frame)
    done = (await client.until("response.done", timeout_s=60))["response"]
    heard = [e for e in client.events if e["type"].endswith("transcription.completed")][-1]["transcript"]
    answer = g711.ULAW.decode(client.audio_of(done["id"]))
    return words(heard), words(transcribe(answer, 8000)) if answer else done["output"][0]["name"]


async def test_a_conversation_in_speech_over_mu_law(voice: Voice) -> None:
    async with OfflineServer(OfflineParams()) as server, peer(server.url) as client:
        settings = {
            "type": "realtime",
            "tools": [HANGUP],
            "audio": {
                "input": {"format": {"type": "audio/pcmu"}, "transcription": {"model": "whisper-1"}},
                "output": {"format": {"type": "audio/pcmu"}},
            },
        }
        await client.send("session.update", session=settings)
        answer = await ask(client, voice, "What are your opening hours?", "opening hours")
        assert "monday to friday" in answer
        assert "saturday" in answer
        answer = await ask(client, voice, "How much does a repair cost?", "repair cost")
        assert "15" in answer or "fifteen" in answer
        assert await ask(client, voice, "Thank you, goodbye.", "bye") == "hangup_call"


async def test_piper_is_one_process_that_survives_being_killed() -> None:
    voice = PiperVoice()
    try:
        first = await voice.say("Hello.\nThis is one line.")
        assert "hello" in words(transcribe(first, 24000))
        process = voice._process
        assert process is not None
        await voice.say("Again.")
        assert voice._process is process
        process.kill()
        with pytest.raises(ResourceError):
            await voice.say("Lost.")
        assert "back" in words(transcribe(await voice.say("I am back again."), 24000))
        assert await voice.say("  ") == b""
    finally:
        await voice.close()
    assert process.returncode is not None


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
async def test_espeak_can_stand_in() -> None:
    pcm = await EspeakVoice().say("What are your opening hours?")
    assert "hours" in words(transcribe(pcm, 24000))
