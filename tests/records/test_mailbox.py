"""Messages on their way to a real HTTP server that takes them, refuses them, or is away."""

import asyncio
import wave
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.call.ports import Message
from bot.config.settings import Webhook
from bot.errors import ResourceError
from bot.records.mailbox import Mailbox, read_file
from bot.records.store import CallStore

PCM = bytes(range(256)) * 63
MESSAGE = Message("call-1", "201", "Ada", "100", "default", 1.79e9, 1.0, "silence", "Call me.", PCM)


class Receiver:
    """Answers with ``statuses`` in turn, the last one for ever."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.got: list[tuple[dict[str, Any], str]] = []

    async def post(self, request: web.Request) -> web.Response:
        self.got.append((await request.json(), request.headers.get("X-Token", "")))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return web.Response(status=status)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        app = web.Application(client_max_size=8 << 20)
        app.router.add_post("/m", self.post)
        async with TestServer(app) as server:
            yield str(server.make_url("/m"))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[CallStore]:
    store = CallStore(str(tmp_path / "calls.sqlite"))
    await store.open()
    yield store
    await store.close()


def hook(url: str, **values: Any) -> Webhook:
    return Webhook.model_validate({"url": url, "headers": {"X-Token": "s3cret"}, "retry_s": 0.01, **values})


@asynccontextmanager
async def opened(folder: Path, webhook: Webhook, store: CallStore) -> AsyncIterator[Mailbox]:
    mailbox = Mailbox(str(folder), webhook, store)
    mailbox.make_folder()
    async with mailbox.opened():
        yield mailbox


async def until(rows: Callable[[], Any]) -> Any:
    for _ in range(500):
        if found := await rows():
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


async def test_a_message_is_kept_and_delivered(tmp_path: Path, store: CallStore) -> None:
    receiver = Receiver(200)
    async with receiver.serving() as url, opened(tmp_path / "m", hook(url), store) as mailbox:
        mailbox.keep(MESSAGE)
        (row,) = await until(lambda: store.messages("delivered"))
    ((body, token),) = receiver.got
    assert token == "s3cret"
    assert (body["transcript"], body["call_id"], body["id"]) == ("Call me.", "call-1", "call-1-1")
    with wave.open(BytesIO(b64decode(body["audio_wav"]))) as sent:
        assert sent.getparams()[:3] == (1, 2, 8000)
        assert sent.readframes(sent.getnframes()) == PCM
    assert read_file(row["audio"]) == b64decode(body["audio_wav"])
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["call-1-1.wav"], "nothing partial stays"


async def test_without_a_webhook_it_is_only_kept(tmp_path: Path, store: CallStore) -> None:
    async with opened(tmp_path, Webhook(), store) as mailbox:
        mailbox.keep(MESSAGE)
    (row,) = await store.messages("")
    assert read_file(row["audio"])


async def test_a_receiver_in_trouble_is_tried_again(tmp_path: Path, store: CallStore) -> None:
    receiver = Receiver(503, 429, 200)
    async with receiver.serving() as url, opened(tmp_path, hook(url), store) as mailbox:
        mailbox.keep(MESSAGE)
        await until(lambda: store.messages("delivered"))
    assert len(receiver.got) == 3


@pytest.mark.parametrize(
    ("statuses", "tries", "why"), [((500,), 3, "HTTP 500"), ((401,), 1, "HTTP 401"), ((302,), 1, "HTTP 302")]
)
async def test_what_is_never_taken_stands_in_the_row(
    tmp_path: Path, store: CallStore, statuses: tuple[int, ...], tries: int, why: str
) -> None:
    receiver = Receiver(*statuses)
    async with (
        receiver.serving() as url,
        opened(tmp_path, hook(url, tries=3), store) as mailbox,
    ):
        mailbox.keep(MESSAGE)
        (row,) = await until(lambda: store.messages(f"failed: {why}"))
    assert len(receiver.got) == tries
    assert read_file(row["audio"])


async def test_what_was_pending_is_tried_at_the_next_start(tmp_path: Path, store: CallStore) -> None:
    nobody = hook("http://127.0.0.1:9/m", retry_s=60)
    async with opened(tmp_path, nobody, store) as mailbox:
        mailbox.keep(MESSAGE)
        await until(lambda: store.messages("pending"))
    assert await store.messages("pending"), "the bot stopped before the second try"
    receiver = Receiver(200)
    async with receiver.serving() as url, opened(tmp_path, hook(url), store):
        await until(lambda: store.messages("delivered"))
    assert receiver.got[0][0]["audio_wav"]


async def test_a_file_that_cannot_be_written_loses_no_words(tmp_path: Path, store: CallStore) -> None:
    async with opened(tmp_path / "m", Webhook(), store) as mailbox:
        (tmp_path / "m").rmdir()
        mailbox.keep(MESSAGE)
    (row,) = await store.messages("")
    assert (row["audio"], row["transcript"]) == ("", "Call me.")


async def test_a_folder_that_cannot_be_made_is_named(store: CallStore) -> None:
    with pytest.raises(ResourceError, match=r"message\.folder"):
        Mailbox("/proc/nowhere", Webhook(), store).make_folder()


async def test_no_secret_and_no_address_in_the_log(
    tmp_path: Path, store: CallStore, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver = Receiver(500)
    async with (
        receiver.serving() as url,
        opened(tmp_path, hook(url, tries=1), store) as mailbox,
    ):
        mailbox.keep(MESSAGE)
        await until(lambda: store.messages("failed: HTTP 500"))
    captured = capsys.readouterr()
    printed = captured.out + captured.err
    assert "message_given_up" in printed
    assert "s3cret" not in printed
    assert url not in printed
