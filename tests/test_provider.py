"""Where the model is: whether anybody is there, and what an embedded one says that cannot start."""

import asyncio
from pathlib import Path

import pytest

from bot.errors import ConfigError
from bot.provider import embedded_model, listens
from bot.realtime.client import Endpoint


async def test_whether_a_model_listens() -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    where = Endpoint(f"ws://127.0.0.1:{port}/v1/realtime?model=offline", {}, "ga")
    assert await listens(where)
    server.close()
    await server.wait_closed()
    assert not await listens(where)


async def test_an_embedded_model_that_is_not_installed_is_a_matter_of_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, after which systemd does not try again."""
    (tmp_path / "faster_whisper.py").write_text("raise ImportError('No module named faster_whisper')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ConfigError, match="For OpenAI set OPENAI_API_KEY"):
        async with embedded_model("ga", ""):
            pass
