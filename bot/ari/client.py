"""The edge to Asterisk: one HTTP session for requests, one WebSocket for events, on aiohttp.

In: addresses and credentials. Out: typed events through ``on_event``, in the order Asterisk sent them, and
answers of the requests in `bot.ari.rest`. It keeps no state of calls.
"""

import asyncio
import json
import os
import random
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, NoReturn, Self
from urllib.parse import quote

import aiohttp
import structlog
from yarl import URL

from bot.ari.channels import Channels
from bot.ari.events import Event, UnknownEvent, parse_event
from bot.ari.rest import Applications, Asterisk, Bridges, DeviceStates, Events, Playbacks, Query
from bot.errors import AriError, AriForbidden, AriRefused, AriUnreachable, ConfigError, ProtocolError

RECONNECT_MIN_S = 0.2
RECONNECT_MAX_S = 5.0

# Asterisk closes an idle connection after 15 s (http.conf session_keep_alive). Ours go first, so that no
# POST, which must not be repeated, meets a connection that is just being closed.
KEEPALIVE_S = 5.0

REMEDIES = {
    404: "what it names has ended, or was never there",
    422: "the channel is not in Stasis yet: wait for its StasisStart",
    500: "Asterisk's log says more",
    503: "Asterisk is starting or shutting down",
}

log = structlog.get_logger()


class AriClient:
    """``async with AriClient(…) as ari`` opens the session and closes it; ``run`` serves the event socket.

    ``url`` is Asterisk's HTTP server (``http://127.0.0.1:8088``). ``on_event`` is called for each event in
    order of arrival and must not block; ``on_state`` on each change of the event socket. Requests need
    no running event socket. Raises ConfigError for an address that is none or that holds a password.
    """

    def __init__(
        self,
        url: str,
        username: str,
        password: str,
        app: str,
        *,
        on_event: Callable[[Event | UnknownEvent], None],
        on_state: Callable[[bool], None] | None = None,
        request_timeout_s: float = 5.0,
        heartbeat_s: float = 5.0,
        max_connections: int = 32,
    ) -> None:
        self._base = _base_url(url)
        self._username = username
        self._authorization = aiohttp.encode_basic_auth(username, password)
        self._app = app
        self._on_event = on_event
        self._on_state = on_state
        self._timeout = aiohttp.ClientTimeout(total=request_timeout_s)
        self._heartbeat_s = heartbeat_s
        self._max_connections = max_connections
        self._session: aiohttp.ClientSession | None = None
        self._connected = False
        self._settled = asyncio.Event()  # connected, or given up
        self._trouble: AriError | None = None

        self.applications = Applications(self)
        self.asterisk = Asterisk(self)
        self.bridges = Bridges(self)
        self.channels = Channels(self)
        self.device_states = DeviceStates(self)
        self.events = Events(self)
        self.playbacks = Playbacks(self)

    @property
    def app(self) -> str:
        """The Stasis application whose events this client takes."""
        return self._app

    @property
    def connected(self) -> bool:
        """Whether the event socket is open."""
        return self._connected

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers={"Authorization": self._authorization},
            timeout=self._timeout,
            connector=aiohttp.TCPConnector(limit=self._max_connections, keepalive_timeout=KEEPALIVE_S),
        )
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._session:
            await self._session.close()

    async def wait_connected(self, timeout: float) -> None:
        """Waits until ``run`` has the event socket open. Raises AriUnreachable after ``timeout`` seconds,
        with the last reason, and AriForbidden as soon as Asterisk refuses the credentials."""
        try:
            async with asyncio.timeout(timeout):
                await self._settled.wait()
        except TimeoutError:
            raise self._trouble or AriUnreachable(
                f"no ARI event socket at {self._base} within {timeout:g} s",
                remedy="is the client's run() running?",
                retry=True,
            ) from None
        if not self._connected and self._trouble:
            raise self._trouble

    async def request(
        self, method: str, *segments: str, query: Query | None = None, body: Mapping[str, Any] | None = None
    ) -> Any:
        """One request to ``/ari/segment/segment…``; returns the parsed JSON, ``None`` for an empty answer.

        Raises AriUnreachable (no answer, broken, or too slow), AriForbidden (401, 403) or AriRefused.
        A broken connection is tried once more for GET and DELETE (by aiohttp), never for POST.
        """
        url = self._url(segments, query)
        what = f"{method} {url.path}"
        try:
            async with self._open_session.request(method, url, json=body, allow_redirects=False) as response:
                answer = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(what, error) from error
        if 200 <= response.status < 300:
            return self._parsed(what, answer)
        raise self._refusal(what, response.status, _reason(answer) or str(response.reason))

    async def run(self) -> NoReturn:
        """Serves the event socket until cancelled, and connects again whenever it is lost. Raises
        AriForbidden when Asterisk refuses the credentials: trying again would not help."""
        attempt = 0
        while True:
            lived_s = 0.0
            try:
                lived_s = await self._listen()
            except AriForbidden as error:
                self._trouble = error
                self._settled.set()
                raise
            except AriUnreachable as error:
                self._trouble = error
                # Of a long absence, ever fewer lines: tries 0, 1, 2, 4, 8…
                write = log.debug if attempt & (attempt - 1) else log.warning
                write("ari_unreachable", reason=str(error), attempt=attempt)
            attempt = 0 if lived_s >= RECONNECT_MAX_S else attempt
            await asyncio.sleep(random.uniform(0, backoff_ceiling_s(attempt)))
            attempt += 1

    async def _listen(self) -> float:
        """One life of the event socket; returns how many seconds it lasted."""
        url = self._url(("events",), {"app": self._app, "subscribeAll": "false"})
        try:
            socket = await self._open_session.ws_connect(
                url, heartbeat=self._heartbeat_s, timeout=aiohttp.ClientWSTimeout(ws_close=1.0)
            )
        except aiohttp.WSServerHandshakeError as error:
            raise self._refused_socket(error) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable("the event socket", error) from error
        opened = time.monotonic()
        async with socket:
            self._set_connected(True)
            try:
                async for message in socket:
                    if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                        self._deliver(message.data)
            finally:
                self._set_connected(False)
        reason = repr(socket.exception()) if socket.exception() else f"closed, code {socket.close_code}"
        self._trouble = AriUnreachable(f"the event socket to {self._base} was lost ({reason})", retry=True)
        log.warning("ari_event_socket_lost", app=self._app, reason=reason)
        return time.monotonic() - opened

    def _deliver(self, text: bytes | str) -> None:
        try:
            self._on_event(parse_event(text))
        except ProtocolError as error:
            log.warning("ari_event_unreadable", reason=str(error))
        except Exception:
            log.exception("ari_event_handler_failed")

    def _set_connected(self, connected: bool) -> None:
        self._connected = connected
        if connected:
            self._settled.set()
            log.info("ari_connected", app=self._app, url=str(self._base))
        else:
            self._settled.clear()
        try:
            if self._on_state:
                self._on_state(connected)
        except Exception:
            log.exception("ari_state_handler_failed")

    @property
    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("AriClient is used outside of `async with`")
        return self._session

    def _url(self, segments: tuple[str, ...], query: Query | None) -> URL:
        path = "/".join(quote(segment, safe="") for segment in ("ari", *segments))
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return URL(f"{self._base}/{path}", encoded=True).with_query(given)

    def _parsed(self, what: str, answer: bytes) -> Any:
        try:
            return json.loads(answer) if answer else None
        except ValueError as error:
            raise AriUnreachable(
                f"{what}: the answer of {self._base} is not JSON", remedy="is this Asterisk's HTTP server?"
            ) from error

    def _unreachable(self, what: str, error: Exception) -> AriUnreachable:
        if isinstance(error, TimeoutError):
            reason, remedy = f"no answer within {self._timeout.total:g} s", "is Asterisk hung or overloaded?"
        else:
            reason, remedy = _failure(error), "is Asterisk running, with enabled=yes in http.conf?"
        return AriUnreachable(f"{what} at {self._base}: {reason}", remedy=remedy, retry=True)

    def _refusal(self, what: str, status: int, reason: str) -> AriForbidden | AriRefused:
        if status == 401:
            return AriForbidden(
                f"Asterisk at {self._base} refused the user {self._username!r}: {reason}",
                remedy="compare user name and password with ari.conf",
            )
        if status == 403:
            return AriForbidden(
                f"{what}: {reason}",
                remedy=f"the user {self._username!r} needs read_only=no and a fitting ACL in ari.conf",
            )
        return AriRefused(f"{what}: {status} {reason}", status=status, remedy=REMEDIES.get(status, ""))

    def _refused_socket(self, error: aiohttp.WSServerHandshakeError) -> AriForbidden | AriUnreachable:
        refusal = self._refusal("the event socket", error.status, f"HTTP {error.status}")
        if isinstance(refusal, AriForbidden):
            return refusal
        # While Asterisk starts, its HTTP server answers before ARI is loaded: worth a retry.
        return AriUnreachable(
            f"{self._base} has no ARI event socket: HTTP {error.status}",
            remedy="load res_ari_events.so and set enabled=yes in ari.conf",
            retry=True,
        )


def backoff_ceiling_s(attempt: int) -> float:
    """The longest wait before try number ``attempt`` (from 0); the wait itself is uniform below it."""
    return min(RECONNECT_MAX_S, RECONNECT_MIN_S * 2.0 ** min(attempt, 16))


def _base_url(url: str) -> str:
    parsed = URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigError(f"{url!r} is no ARI address", remedy="write it as http://127.0.0.1:8088")
    if parsed.user or parsed.password:
        raise ConfigError(
            f"the ARI address of {parsed.host} holds credentials",
            remedy="give user name and password on their own: addresses end up in logs",
        )
    return str(parsed).rstrip("/")


def _failure(error: Exception) -> str:
    """In the system's words where it has any; aiohttp adds what an operator need not read."""
    if isinstance(error, aiohttp.ClientConnectorError):
        code = error.os_error.errno
        return os.strerror(code) if code and code > 0 else error.os_error.strerror or str(error.os_error)
    return str(error) or repr(error)


def _reason(answer: bytes) -> str:
    """Asterisk's own words in an error's JSON body, or nothing."""
    try:
        data = json.loads(answer)
    except ValueError:
        return ""
    return str(data.get("message") or data.get("error") or "") if isinstance(data, dict) else ""
