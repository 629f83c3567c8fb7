"""One JSON request to an address that the operator named; what cannot be sent is an error with a reason."""

from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson
from pydantic import SecretStr

from bot.errors import ResourceError

LARGEST_ANSWER = 64 * 1024


class PostFailed(ResourceError):
    """Nothing was delivered. ``retry``: another try may work."""


async def post_json(url: str, headers: Mapping[str, SecretStr], body: Any, timeout_s: float = 10.0) -> bytes:
    """The answer's body, at most 64 KB of it. Raises PostFailed, whose words hold no address and no data."""
    sent = {name: value.get_secret_value() for name, value in headers.items()}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s)) as session,
            session.post(
                url,
                data=orjson.dumps(body),
                headers={"Content-Type": "application/json", **sent},
                allow_redirects=False,
            ) as answer,
        ):
            content = await answer.content.read(LARGEST_ANSWER)
    except TimeoutError as error:
        raise PostFailed(f"no answer within {timeout_s:g} s", retry=True) from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise PostFailed(f"no connection ({type(error).__name__})", retry=True) from error
    if not 200 <= answer.status < 300:
        raise PostFailed(
            f"HTTP {answer.status}", retry=answer.status in (408, 425, 429) or answer.status >= 500
        )
    return content
