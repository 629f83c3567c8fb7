"""A tool that is one HTTP request of the configuration; what it may reach is decided when it connects.

Addresses are checked on the socket that is about to connect, after name resolution, so a name that resolves
differently the second time gains nothing. Redirects are not followed, proxies of the environment not used.
"""

import ipaddress
import socket
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson
from jsonschema import Draft202012Validator
from referencing import Registry
from yarl import URL

from bot.call.ports import CallControl
from bot.config.settings import HttpTool
from bot.config.url_template import UrlTemplate
from bot.log import get_logger
from bot.tools.base import SAY, ToolResult, failed, told

log = get_logger("tools")

WITHOUT_BODY = ("GET", "DELETE")
UNAVAILABLE = "tell the caller that this is not available at the moment"
PRIVATE = "the address is private"
#: Prefixes of IPv6 that carry an IPv4 address in their last four bytes (RFC 4291, RFC 6052).
_CARRIERS = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("64:ff9b::/96"))
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")


class PrivateAddress(OSError):
    """The name leads to an address that is not on the Internet."""


class Unusable(Exception):
    """An answer that is no use; the text says why."""


class HttpFunction:
    def __init__(self, name: str, tool: HttpTool) -> None:
        self.name = name
        self.description = tool.description
        self.parameters: dict[str, Any] = {
            "type": "object", "properties": {}, "additionalProperties": False, **tool.parameters,
        }  # fmt: skip
        self.timeout_s = tool.timeout
        self.say = tool.say or SAY
        self._tool = tool
        self._url = UrlTemplate(tool.url.get_secret_value())
        # An empty registry: a $ref never makes a request.
        self._schema = Draft202012Validator(self.parameters, registry=Registry())
        self._headers = {key: value.get_secret_value() for key, value in tool.headers.items()}

    async def run(self, call: CallControl, arguments: dict[str, Any]) -> ToolResult:
        if wrong := self._wrong(arguments):
            raise ValueError(wrong)
        rest = {name: value for name, value in arguments.items() if name not in self._url.names}
        query, body = (rest, None) if self._tool.method in WITHOUT_BODY else ({}, rest)
        url = self._url.fill(arguments, query)
        try:
            return told(picked(await self._request(url, body), self._tool.answer))
        except Unusable as unusable:
            return self._failed(str(unusable))
        except (aiohttp.ClientError, OSError) as error:
            return self._failed("the service cannot be reached", **_reason(error))

    def _wrong(self, arguments: dict[str, Any]) -> str:
        errors = sorted(self._schema.iter_errors(arguments), key=lambda error: error.json_path)
        return "; ".join(
            f"{'.'.join(map(str, error.absolute_path)) or 'arguments'}: {error.message[:200]}"
            for error in errors[:3]
        )

    def _failed(self, what: str, **more: str) -> ToolResult:
        log.warning("http_tool_failed", tool=self.name, host=self._url.host, error=what, **more)
        return failed(what, UNAVAILABLE)

    async def _request(self, url: str, body: Mapping[str, Any] | None) -> bytes:
        connector = aiohttp.TCPConnector(
            limit=1, socket_factory=None if self._tool.allow_private else public_socket
        )
        # The time limit is ``run_tool``'s; compressed answers are not asked for, so that sizes are true.
        async with (
            aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                headers={"Accept": "application/json", "Accept-Encoding": "identity", **self._headers},
                auto_decompress=False,
            ) as session,
            session.request(
                self._tool.method,
                URL(url, encoded=True),
                data=None if body is None else orjson.dumps(body),
                headers={} if body is None else {"Content-Type": "application/json"},
                allow_redirects=False,
            ) as answer,
        ):
            if not 200 <= answer.status < 300:
                raise Unusable(f"the service answered {answer.status}")
            return await _read(answer.content, self._tool.max_response_bytes)


def _reason(error: Exception) -> dict[str, str]:
    """For the log: never more than host and cause, since an address may hold a secret."""
    if isinstance(getattr(error, "os_error", None), PrivateAddress):
        return {"reason": PRIVATE, "remedy": "set allow_private: true if it is meant"}
    return {"reason": str(error) if isinstance(error, OSError) else type(error).__name__}


def picked(body: bytes, path: str) -> Any:
    """The part of a JSON answer that ``path`` names: ``orders.0.status``. No body at all is null."""
    try:
        value = orjson.loads(body or b"null")
    except ValueError:
        raise Unusable("the service did not answer with JSON") from None
    for part in filter(None, path.split(".")):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise Unusable(f"the service's answer has no {path}")
    return value


async def _read(content: aiohttp.StreamReader, limit: int) -> bytes:
    body = b""
    async for piece in content.iter_any():
        body += piece
        if len(body) > limit:
            raise Unusable("the service's answer is too long")
    return body


def public_socket(info: aiohttp.AddrInfoType) -> socket.socket:
    """A socket for one address that a name led to. Raises PrivateAddress."""
    family, kind, protocol, _, address = info
    if not is_public(str(address[0])):
        raise PrivateAddress(PRIVATE)
    return socket.socket(family, kind, protocol)


def is_public(address: str) -> bool:
    """Whether an address is on the Internet, and so is the one that it carries inside, if any."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if any(ip in network for network in _CARRIERS):
            return is_public(str(ipaddress.IPv4Address(ip.packed[-4:])))
        if ip in _SIX_TO_FOUR:
            return is_public(str(ipaddress.IPv4Address(ip.packed[2:6])))
    return ip.is_global and not ip.is_multicast and not ip.is_reserved
