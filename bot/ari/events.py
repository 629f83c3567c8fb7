"""ARI's events as frozen values. Pure: JSON text in, an `Event` out.

The classes and their fields are named as in Asterisk's ``rest-api/events.json``. What has no class here
becomes an `UnknownEvent` that keeps the data, so a newer Asterisk breaks nothing.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.ari.models import Bridge, Channel, LiveRecording, Playback, decode
from bot.errors import ProtocolError


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every event has; ``type`` is the name of its class, ``timestamp`` is Asterisk's clock."""

    type: str
    application: str
    timestamp: datetime

    @property
    def channel_id(self) -> str | None:
        """The channel that the event is about, ``None`` if it is about none."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelEvent(Event):
    """An event about one channel."""

    channel: Channel

    @property
    def channel_id(self) -> str:
        return self.channel.id


@dataclass(frozen=True, slots=True, kw_only=True)
class StasisStart(ChannelEvent):
    """A channel entered the application. ``replace_channel`` is the one whose place it takes (attended
    transfer): the call lives on under the new id."""

    args: tuple[str, ...]
    replace_channel: Channel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StasisEnd(ChannelEvent):
    """A channel left the application: hung up, moved on in the dialplan, or replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelCreated(ChannelEvent):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStateChange(ChannelEvent):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDestroyed(ChannelEvent):
    """``cause`` is the Q.850 cause (16 normal, 17 busy, 19 no answer, …)."""

    cause: int
    cause_txt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelHangupRequest(ChannelEvent):
    cause: int | None = None
    soft: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDtmfReceived(ChannelEvent):
    """A digit, sent when it ends."""

    digit: str
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelHold(ChannelEvent):
    musicclass: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelUnhold(ChannelEvent):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelLeftBridge(ChannelEvent):
    bridge: Bridge


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelConnectedLine(ChannelEvent):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBroadcast(ChannelEvent):
    """``StasisBroadcast()`` offers a call: `claim_channel` takes it, the first one wins."""

    caller: str | None = None
    called: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallClaimed(ChannelEvent):
    winner_app: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelEnteredBridge(Event):
    bridge: Bridge
    channel: Channel | None = None

    @property
    def channel_id(self) -> str | None:
        return self.channel.id if self.channel else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelVarset(Event):
    """``channel`` is missing for a global variable."""

    variable: str
    value: str
    channel: Channel | None = None

    @property
    def channel_id(self) -> str | None:
        return self.channel.id if self.channel else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial(Event):
    """How the dialling of ``peer`` goes: ``dialstatus`` is empty, ``RINGING``, ``ANSWER``, ``BUSY``, …"""

    peer: Channel
    dialstatus: str
    dialstring: str | None = None
    caller: Channel | None = None

    @property
    def channel_id(self) -> str:
        return self.peer.id


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeDestroyed(Event):
    bridge: Bridge


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackEvent(Event):
    playback: Playback

    @property
    def channel_id(self) -> str | None:
        return _target_channel(self.playback.target_uri)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackStarted(PlaybackEvent):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackFinished(PlaybackEvent):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingEvent(Event):
    recording: LiveRecording

    @property
    def channel_id(self) -> str | None:
        return _target_channel(self.recording.target_uri)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFinished(RecordingEvent):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFailed(RecordingEvent):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationReplaced(Event):
    """Another connection took this application's events. The old one stays open and can still act by
    REST: whoever receives this must stop acting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownEvent:
    """An event that has no class here; ``data`` is its whole JSON."""

    type: str
    data: dict[str, Any]

    @property
    def channel_id(self) -> str | None:
        channel = self.data.get("channel")
        channel_id = channel.get("id") if isinstance(channel, dict) else None
        return channel_id if isinstance(channel_id, str) else None


EVENTS: dict[str, type[Event]] = {
    cls.__name__: cls
    for cls in (
        ApplicationReplaced,
        BridgeDestroyed,
        CallBroadcast,
        CallClaimed,
        ChannelConnectedLine,
        ChannelCreated,
        ChannelDestroyed,
        ChannelDtmfReceived,
        ChannelEnteredBridge,
        ChannelHangupRequest,
        ChannelHold,
        ChannelLeftBridge,
        ChannelStateChange,
        ChannelUnhold,
        ChannelVarset,
        Dial,
        PlaybackFinished,
        PlaybackStarted,
        RecordingFailed,
        RecordingFinished,
        StasisEnd,
        StasisStart,
    )
}


def parse_event(text: bytes | str) -> Event | UnknownEvent:
    """Parses one message of the event socket. Raises ProtocolError if it is not JSON, has no type, or
    lacks what its type needs."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"an ARI event is not JSON: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("type"), str):
        raise ProtocolError("an ARI event has no type")
    cls = EVENTS.get(data["type"])
    return decode(cls, data) if cls else UnknownEvent(type=data["type"], data=data)


def _target_channel(target_uri: str) -> str | None:
    kind, _, target = target_uri.partition(":")
    return target if kind == "channel" else None
