"""ARI's requests, by resource; those of channels are in `bot.ari.channels`.

Each method is one operation of Asterisk's ``rest-api/*.json``, named by its nickname there
(``continueInDialplan`` → ``continue_in_dialplan``). ``None`` leaves a parameter out, so Asterisk's own
default holds.

Every method raises AriUnreachable, AriForbidden or AriRefused, and ProtocolError for an answer that
does not fit. A channel may end between any two requests: AriRefused 404 is then an ordinary answer.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from bot.ari.models import Application, Bridge, Module, Playback, decode

Query = Mapping[str, str | int | None]


class Transport(Protocol):
    """Who carries the requests: `AriClient`."""

    @property
    def app(self) -> str: ...

    async def request(
        self, method: str, *segments: str, query: Query | None = None, body: Mapping[str, Any] | None = None
    ) -> Any: ...


class Resource:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._request = transport.request


class Asterisk(Resource):
    async def get_info(self) -> dict[str, Any]:
        """``build``, ``system`` (with ``version``), ``config`` and ``status``."""
        info: dict[str, Any] = await self._request("GET", "asterisk", "info")
        return info

    async def list_modules(self) -> tuple[Module, ...]:
        return tuple(decode(Module, item) for item in await self._request("GET", "asterisk", "modules"))

    async def get_module(self, module_name: str) -> Module:
        """``module_name`` as in ``chan_rtp.so``; not loaded: AriRefused 404."""
        return decode(Module, await self._request("GET", "asterisk", "modules", module_name))


class Applications(Resource):
    async def get(self, name: str | None = None) -> Application:
        """The client's own application unless another is named; AriRefused 404 while nobody serves it."""
        return decode(Application, await self._request("GET", "applications", name or self._transport.app))

    async def subscribe(self, event_source: str) -> Application:
        """``event_source`` as in ``channel:ID``, ``bridge:ID``: its events come to this application too."""
        query = {"eventSource": event_source}
        app = self._transport.app
        return decode(
            Application, await self._request("POST", "applications", app, "subscription", query=query)
        )


class Events(Resource):
    async def claim_channel(self, channel_id: str) -> None:
        """Takes a call that `CallBroadcast` offered. Somebody was faster: AriRefused 409; too late: 404."""
        query = {"channelId": channel_id, "application": self._transport.app}
        await self._request("POST", "events", "claim", query=query)


class DeviceStates(Resource):
    async def get(self, device_name: str) -> str:
        """``NOT_INUSE``, ``UNAVAILABLE``, … For ``Local/EXTEN@CONTEXT``: ``INVALID`` where the dialplan has
        no such extension. Without ``res_ari_device_states``: AriRefused 404."""
        return str((await self._request("GET", "deviceStates", device_name))["state"])


class Playbacks(Resource):
    async def stop(self, playback_id: str) -> None:
        await self._request("DELETE", "playbacks", playback_id)


class Bridges(Resource):
    async def list(self) -> tuple[Bridge, ...]:
        return tuple(decode(Bridge, item) for item in await self._request("GET", "bridges"))

    async def create(self, bridge_id: str, *, type: str | None = None, name: str | None = None) -> Bridge:
        """``type`` is a comma-separated list of Asterisk's bridge attributes (``mixing`` by default)."""
        query: Query = {"bridgeId": bridge_id, "type": type, "name": name}
        return decode(Bridge, await self._request("POST", "bridges", query=query))

    async def get(self, bridge_id: str) -> Bridge:
        return decode(Bridge, await self._request("GET", "bridges", bridge_id))

    async def destroy(self, bridge_id: str) -> None:
        """The channels in it live on, in Stasis."""
        await self._request("DELETE", "bridges", bridge_id)

    async def add_channel(self, bridge_id: str, *channels: str) -> None:
        """A channel that has ended: AriRefused 400, not 404; one not in Stasis yet: 422."""
        await self._request("POST", "bridges", bridge_id, "addChannel", query={"channel": ",".join(channels)})

    async def remove_channel(self, bridge_id: str, *channels: str) -> None:
        query = {"channel": ",".join(channels)}
        await self._request("POST", "bridges", bridge_id, "removeChannel", query=query)

    async def play(
        self, bridge_id: str, media: str, *, playback_id: str | None = None, lang: str | None = None
    ) -> Playback:
        """Everybody in the bridge hears ``media``; see `Channels.play`."""
        query: Query = {"media": media, "playbackId": playback_id, "lang": lang}
        return decode(Playback, await self._request("POST", "bridges", bridge_id, "play", query=query))
