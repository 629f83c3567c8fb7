"""ARI's requests on channels: calls, ExternalMedia, second legs. The rules of `bot.ari.rest` hold."""

from collections.abc import Mapping
from typing import Any, Literal

from bot.ari.models import Channel, Playback, decode
from bot.ari.rest import Query, Resource

Direction = Literal["both", "in", "out"]
SpyDirection = Literal["none", "both", "out", "in"]
HangupReason = Literal[
    "normal",
    "busy",
    "congestion",
    "no_answer",
    "timeout",
    "rejected",
    "unallocated",
    "normal_unspecified",
    "number_incomplete",
    "codec_mismatch",
    "interworking",
    "failure",
    "answered_elsewhere",
]
Variables = Mapping[str, str]


class Channels(Resource):
    async def list(self) -> tuple[Channel, ...]:
        return tuple(decode(Channel, item) for item in await self._request("GET", "channels"))

    async def get(self, channel_id: str) -> Channel:
        return decode(Channel, await self._request("GET", "channels", channel_id))

    async def originate(
        self,
        endpoint: str,
        *,
        channel_id: str,
        app_args: str | None = None,
        originator: str | None = None,
        caller_id: str | None = None,
        timeout_s: int | None = None,
        formats: str | None = None,
        other_channel_id: str | None = None,
        variables: Variables | None = None,
    ) -> Channel:
        """Dials ``endpoint`` (``PJSIP/200``, ``Local/200@context``); its StasisStart comes on answer.
        ``originator`` is the channel it is dialled for; that one's hang-up does not cancel it.
        ``other_channel_id`` names the second half of a Local channel. Not both ``originator`` and
        ``formats`` (AriRefused 400)."""
        query: Query = {
            "endpoint": endpoint,
            "app": self._transport.app,
            "appArgs": app_args,
            "callerId": caller_id,
            "timeout": timeout_s,
            "channelId": channel_id,
            "otherChannelId": other_channel_id,
            "originator": originator,
            "formats": formats,
        }
        return decode(
            Channel, await self._request("POST", "channels", query=query, body=_variables(variables))
        )

    async def create(
        self,
        endpoint: str,
        *,
        channel_id: str,
        app_args: str | None = None,
        originator: str | None = None,
        formats: str | None = None,
        other_channel_id: str | None = None,
        variables: Variables | None = None,
    ) -> Channel:
        """Like `originate`, but nothing is dialled before `dial`: the channel can join a bridge first.
        Not both ``originator`` and ``formats`` (AriRefused 400)."""
        query: Query = {
            "endpoint": endpoint,
            "app": self._transport.app,
            "appArgs": app_args,
            "channelId": channel_id,
            "otherChannelId": other_channel_id,
            "originator": originator,
            "formats": formats,
        }
        return decode(
            Channel,
            await self._request("POST", "channels", "create", query=query, body=_variables(variables)),
        )

    async def dial(self, channel_id: str, *, caller: str | None = None, timeout_s: int | None = None) -> None:
        query: Query = {"caller": caller, "timeout": timeout_s}
        await self._request("POST", "channels", channel_id, "dial", query=query)

    async def external_media(
        self,
        channel_id: str,
        *,
        format: str,
        external_host: str | None = None,
        encapsulation: Literal["rtp", "audiosocket", "none"] | None = None,
        transport: Literal["udp", "tcp", "websocket"] | None = None,
        connection_type: Literal["client", "server"] | None = None,
        direction: Literal["both"] | None = None,
        data: str | None = None,
        transport_data: str | None = None,
        variables: Variables | None = None,
    ) -> Channel:
        """A channel whose far end is a socket of ours. Over RTP (the default) Asterisk sends to
        ``external_host`` (``HOST:PORT``) from the address in ``channelvars.UNICASTRTP_LOCAL_ADDRESS`` and
        ``…_PORT`` of this answer. It can join a bridge after its own StasisStart; before: AriRefused 422."""
        query: Query = {
            "channelId": channel_id,
            "app": self._transport.app,
            "external_host": external_host,
            "encapsulation": encapsulation,
            "transport": transport,
            "connection_type": connection_type,
            "format": format,
            "direction": direction,
            "data": data,
            "transport_data": transport_data,
        }
        answer = await self._request(
            "POST", "channels", "externalMedia", query=query, body=_variables(variables)
        )
        return decode(Channel, answer)

    async def snoop_channel(
        self,
        channel_id: str,
        *,
        snoop_id: str,
        spy: SpyDirection | None = None,
        whisper: SpyDirection | None = None,
        app_args: str | None = None,
    ) -> Channel:
        """A channel that hears (``spy``) or speaks into (``whisper``) another one."""
        query: Query = {
            "snoopId": snoop_id,
            "app": self._transport.app,
            "appArgs": app_args,
            "spy": spy,
            "whisper": whisper,
        }
        return decode(Channel, await self._request("POST", "channels", channel_id, "snoop", query=query))

    async def answer(self, channel_id: str) -> None:
        await self._request("POST", "channels", channel_id, "answer")

    async def ring(self, channel_id: str) -> None:
        await self._request("POST", "channels", channel_id, "ring")

    async def ring_stop(self, channel_id: str) -> None:
        await self._request("DELETE", "channels", channel_id, "ring")

    async def hangup(self, channel_id: str, *, reason: HangupReason | None = None) -> None:
        await self._request("DELETE", "channels", channel_id, query={"reason": reason})

    async def continue_in_dialplan(
        self,
        channel_id: str,
        *,
        context: str | None = None,
        extension: str | None = None,
        priority: int | None = None,
    ) -> None:
        """Leaves the application; without a place, the dialplan goes on after ``Stasis()``."""
        query: Query = {"context": context, "extension": extension, "priority": priority}
        await self._request("POST", "channels", channel_id, "continue", query=query)

    async def get_channel_var(self, channel_id: str, variable: str) -> str:
        """A variable or a dialplan function (``CHANNEL(audioreadformat)``); unset: AriRefused 404."""
        answer = await self._request("GET", "channels", channel_id, "variable", query={"variable": variable})
        return str(answer["value"])

    async def set_channel_var(self, channel_id: str, variable: str, value: str) -> None:
        # In the body, because a value may be longer than Asterisk takes in a request line.
        body = {"variable": variable, "value": value}
        await self._request("POST", "channels", channel_id, "variable", body=body)

    async def send_dtmf(
        self,
        channel_id: str,
        dtmf: str,
        *,
        duration_ms: int | None = None,
        between_ms: int | None = None,
    ) -> None:
        """Sends digits to the channel's far end. Asterisk answers 204 to bad digits too: validate first."""
        query: Query = {"dtmf": dtmf, "duration": duration_ms, "between": between_ms}
        await self._request("POST", "channels", channel_id, "dtmf", query=query)

    async def mute(self, channel_id: str, *, direction: Direction | None = None) -> None:
        await self._request("POST", "channels", channel_id, "mute", query={"direction": direction})

    async def unmute(self, channel_id: str, *, direction: Direction | None = None) -> None:
        await self._request("DELETE", "channels", channel_id, "mute", query={"direction": direction})

    async def hold(self, channel_id: str) -> None:
        await self._request("POST", "channels", channel_id, "hold")

    async def unhold(self, channel_id: str) -> None:
        await self._request("DELETE", "channels", channel_id, "hold")

    async def start_moh(self, channel_id: str, *, moh_class: str | None = None) -> None:
        await self._request("POST", "channels", channel_id, "moh", query={"mohClass": moh_class})

    async def stop_moh(self, channel_id: str) -> None:
        await self._request("DELETE", "channels", channel_id, "moh")

    async def play(
        self, channel_id: str, media: str, *, playback_id: str | None = None, lang: str | None = None
    ) -> Playback:
        """``media`` as in ``sound:hello-world``, ``tone:ring;tonezone=de``; several with commas between."""
        query: Query = {"media": media, "playbackId": playback_id, "lang": lang}
        return decode(Playback, await self._request("POST", "channels", channel_id, "play", query=query))

    async def rtpstatistics(self, channel_id: str) -> dict[str, Any]:
        """RTCP's figures for a channel; AriRefused 404 where there is no RTCP, as on ExternalMedia."""
        statistics: dict[str, Any] = await self._request("GET", "channels", channel_id, "rtp_statistics")
        return statistics


def _variables(variables: Variables | None) -> dict[str, Any] | None:
    return {"variables": dict(variables)} if variables else None
