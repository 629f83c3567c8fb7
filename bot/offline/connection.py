"""One client's WebSocket: frames to the session, its events back, and its orders carried out.

Everything that the session wants sent goes through one queue, so that events leave in the order in which
the session's state changed, whichever task changed it.
"""

import asyncio
import base64
import contextlib
import re

import orjson
import structlog
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from bot.errors import VoicebotError
from bot.offline.brain import Brain, Call, read_turn
from bot.offline.config import Json
from bot.offline.ears import Ears
from bot.offline.formats import bytes_per_ms, encode
from bot.offline.orders import Answer, Halt, Hear, Send
from bot.offline.parse import Refusal
from bot.offline.response import ResponseWriter
from bot.offline.session import Session
from bot.offline.voice import Voice

log = structlog.get_logger()

DELTA_MS = 200
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


class Connection:
    """Serves one client until it leaves or ``lifetime_s`` is over. ``speed``: how many times faster than
    real time audio is delivered, 0 for at once."""

    def __init__(
        self,
        socket: ServerConnection,
        session: Session,
        brain: Brain,
        ears: Ears,
        voice: Voice,
        *,
        speed: float,
        lifetime_s: float,
    ) -> None:
        self._socket = socket
        self._session = session
        self._brain = brain
        self._ears = ears
        self._voice = voice
        self._speed = speed
        self._lifetime_s = lifetime_s
        self._outgoing: asyncio.Queue[Json] = asyncio.Queue()
        self._hearing: set[asyncio.Task[None]] = set()
        self._answering: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Returns when the connection has ended, in whichever way; every task has ended too."""
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(self._send_all())
            try:
                async with asyncio.timeout(self._lifetime_s):
                    await self._receive_all(tasks)
            except TimeoutError:
                await self._expire(sending)
            finally:
                for task in (sending, *self._hearing, *self._answering.values()):
                    task.cancel()

    async def _receive_all(self, tasks: asyncio.TaskGroup) -> None:
        self._session.open()
        self._carry_out(tasks)
        with contextlib.suppress(ConnectionClosed):
            async for frame in self._socket:
                self._session.receive(frame)
                self._carry_out(tasks)

    async def _expire(self, sending: asyncio.Task[None]) -> None:
        self._session.refuse(Refusal("session_expired", "Your session hit the maximum duration."))
        self._flush()
        await self._outgoing.join()
        await self._socket.close(1001, "session_expired")

    async def _send_all(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                event = await self._outgoing.get()
                await self._socket.send(orjson.dumps(event), text=True)
                self._outgoing.task_done()

    def _carry_out(self, tasks: asyncio.TaskGroup) -> None:
        for output in self._session.drain():
            match output:
                case Send(event):
                    self._outgoing.put_nowait(event)
                case Hear():
                    hearing = tasks.create_task(self._hear(output))
                    self._hearing.add(hearing)
                    hearing.add_done_callback(self._hearing.discard)
                case Answer(response_id):
                    answering = tasks.create_task(self._answer(response_id))
                    self._answering[response_id] = answering
                case Halt(response_id):
                    self._answering.pop(response_id).cancel()

    def _flush(self) -> None:
        """Sends what a task's own step brought; such steps give no orders."""
        for output in self._session.drain():
            assert isinstance(output, Send)
            self._outgoing.put_nowait(output.event)

    async def _hear(self, order: Hear) -> None:
        transcript = await self._ears.hear(order.pcm, order.rate, order.turn)
        self._session.heard(order.item_id, transcript)
        self._flush()

    async def _answer(self, response_id: str) -> None:
        if self._hearing:
            await asyncio.wait(self._hearing)
        writer = self._session.writer(response_id)
        response = writer.response
        steps = self._brain.reply(
            read_turn(response.context),
            response.config,
            instructions=response.instructions,
            idle=response.idle,
        )
        error: Json | None = None
        try:
            for step in steps:
                if isinstance(step, Call):
                    writer.call(step.name, step.arguments)
                else:
                    await self._say(writer, step.text)
        except VoicebotError as failure:
            log.error("offline_voice_failed", error=str(failure))
            error = {"type": "server_error", "code": "voice_failed", "message": str(failure)}
        self._session.finish(response_id, error)
        del self._answering[response_id]
        self._flush()

    async def _say(self, writer: ResponseWriter, text: str) -> None:
        writer.begin_message()
        started: float | None = None
        sent_ms = 0.0
        separator = ""
        for sentence in _SENTENCE_END.split(text):
            writer.words(separator + sentence)
            separator = " "
            if writer.response.config.modality == "text":
                continue
            self._flush()
            audio = await self._speak(sentence, writer)
            started = started or asyncio.get_running_loop().time()
            step = DELTA_MS * bytes_per_ms(writer.response.config.output_format)
            for at in range(0, len(audio), step):
                delta = audio[at : at + step]
                writer.audio(base64.b64encode(delta).decode("ascii"), len(delta))
                self._flush()
                sent_ms += DELTA_MS
                await self._pace(started, sent_ms)
        writer.end_message()
        self._flush()

    async def _speak(self, sentence: str, writer: ResponseWriter) -> bytes:
        pcm = await self._voice.say(sentence)
        return encode(pcm, writer.response.config.output_format)

    async def _pace(self, started: float, sent_ms: float) -> None:
        """Waits until ``sent_ms`` of audio may have been sent."""
        if not self._speed:
            await asyncio.sleep(0)
            return
        due = started + sent_ms / 1000 / self._speed
        await asyncio.sleep(due - asyncio.get_running_loop().time())
