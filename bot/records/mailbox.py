"""Messages of callers: kept in a file and a row at once, then handed to a webhook until it takes them.

A message outlives its call, and one that was not delivered when the bot stopped is tried again at the next
start. Nothing here raises: what fails is logged, and stands in the row.
"""

import asyncio
import wave
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

from bot.call.ports import Message
from bot.config.settings import Webhook
from bot.errors import ResourceError
from bot.log import get_logger
from bot.post import PostFailed, post_json
from bot.records.store import CallStore, Row

log = get_logger("messages")

PENDING, DELIVERED = "pending", "delivered"
RATE_HZ = 8000


class Mailbox:
    """``keep`` is called by calls; ``opened`` is its life, which is longer than theirs."""

    def __init__(self, folder: str, webhook: Webhook, store: CallStore) -> None:
        self._folder = Path(folder)
        self._webhook = webhook
        self._store = store
        self._closing = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._kept = 0

    def make_folder(self) -> None:
        """Raises ResourceError; better at the start than at the first message."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResourceError(
                f"cannot make {self._folder} ({error.strerror})", remedy="check message.folder"
            ) from error

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as self._group:
            if self._webhook.url:
                for row in await self._store.messages(PENDING):
                    self._group.create_task(self._deliver(row))
            try:
                yield
            finally:
                self._closing.set()

    def keep(self, message: Message) -> None:
        assert self._group is not None
        self._kept += 1
        self._group.create_task(self._keep(message, f"{message.call_id}-{self._kept}"))

    async def _keep(self, message: Message, name: str) -> None:
        path = self._folder / f"{name}.wav"
        row: Row = {
            "id": name,
            "call_id": message.call_id,
            "began_at": message.began_at,
            "caller_number": message.caller_number,
            "caller_name": message.caller_name,
            "dialled_number": message.dialled_number,
            "agent": message.agent,
            "seconds": message.seconds,
            "ended": message.ended,
            "transcript": message.transcript,
            "audio": str(path),
            "webhook": PENDING if self._webhook.url else "",
        }
        try:
            await asyncio.get_running_loop().run_in_executor(None, write_wav, path, message.audio)
        except OSError as error:
            log.error("message_audio_lost", id=name, error=str(error), remedy="check message.folder")
            row["audio"] = ""
        try:
            await self._store.write_message(row)
            log.info("message_kept", id=name, seconds=message.seconds, ended=message.ended)
        except Exception as error:  # a full disk: the log is the last place
            log.error("message_not_written", error=str(error), row=row)
        if self._webhook.url:
            await self._deliver(row)

    async def _deliver(self, row: Row) -> None:
        """Until it is taken, refused for good, or all tries are used up."""
        for wait_s in self._waits_s():
            try:
                await post_json(self._webhook.url, self._webhook.headers, await self._body(row))
                await self._note(row, DELIVERED)
                return
            except PostFailed as error:
                log.warning("message_not_delivered", id=row["id"], reason=error.message, retry=error.retry)
                why = error.message
                if not error.retry:
                    break
            try:
                async with asyncio.timeout(wait_s):
                    await self._closing.wait()
                return  # still pending: the next start tries again
            except TimeoutError:
                continue
        log.error("message_given_up", id=row["id"], reason=why, remedy="check message.webhook; it is kept")
        await self._note(row, f"failed: {why}")

    def _waits_s(self) -> list[float]:
        """After each try; after the last one no longer than it takes to say so."""
        tries = self._webhook.tries
        return [self._webhook.retry_s * 2**n for n in range(tries - 1)] + [0.0]

    async def _body(self, row: Row) -> Row:
        audio = await asyncio.get_running_loop().run_in_executor(None, read_file, row["audio"])
        told = {name: value for name, value in row.items() if name not in ("audio", "webhook")}
        return told | {"audio_wav": b64encode(audio).decode()}

    async def _note(self, row: Row, state: str) -> None:
        try:
            await self._store.write_message({**row, "webhook": state})
        except Exception as error:
            log.error("message_not_written", error=str(error), id=row["id"], webhook=state)


def write_wav(path: Path, pcm: bytes) -> None:
    """PCM16 at 8 kHz, mono; the file is there whole or not at all."""
    whole = BytesIO()
    with wave.open(whole, "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes(pcm)
    partial = path.with_suffix(".part")
    partial.write_bytes(whole.getvalue())
    partial.replace(path)


def read_file(path: str) -> bytes:
    """Empty when it is not there: the words are delivered all the same."""
    try:
        return Path(path).read_bytes() if path else b""
    except OSError:
        return b""
