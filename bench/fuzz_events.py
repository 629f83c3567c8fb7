"""Mutated events of the model and of Asterisk through the rooms that read them, those of the model through a
whole talk as well: nothing but ProtocolError may be raised, nothing may grow.

python -m bench.fuzz_events [count, default 1,000,000] [seed]
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from bench.child import rss_bytes
from bench.fuzz_rtp import GROWN_BYTES, new_uplink
from bench.peer_ari import APP, NOW, bridge, channel
from bot.ari.events import parse_event
from bot.audio.g711 import ULAW
from bot.call.conversation import Conversation, Script
from bot.call.downlink import Downlink
from bot.call.idle import IdleParams
from bot.call.journal import Journal
from bot.call.tape import MessageParams
from bot.call.turns import Input, State
from bot.config.settings import Farewell, Logging
from bot.errors import ProtocolError
from bot.log import configure
from bot.realtime.dialects import SessionRequest
from bot.realtime.events import Event, FunctionCall
from bot.realtime.session import RealtimeSession
from bot.rtp.sender import RtpSender
from bot.tools.hangup import HangupCall
from bot.tools.registry import ToolRegistry
from tests.fakes.nobody import NoDesk
from tests.fakes.realtime_model import FakeModel

Json = dict[str, Any]

SESSION_EVENTS = 20_000
"""What a session remembers of its items ends with it; this many is an hour of talk."""
TALK_EVENTS = 1_000
"""The same of what a talk remembers for its record."""
TICK_S, TICK_EVERY = 0.02, 3
VOICE = (Input.SPEECH, Input.SPEECH, Input.COMMIT, Input.QUIET)
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1e308,
    2**63,
    "",
    "\x00",
    "ü" * 300,
    [],
    ["a"],
    {},
    {"id": {}},
    [[]],
)

_PLACE = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
_CALL = {"id": "item_2", "type": "function_call", "status": "completed", "call_id": "call_1"}
_FAULT = {"type": "invalid_request_error", "code": "conversation_already_has_active_response"}
_DONE = {
    "id": "resp_1",
    "status": "cancelled",
    "status_details": {"type": "cancelled", "reason": "turn_detected", "error": None},
    "usage": {"total_tokens": 7, "input_token_details": {"audio_tokens": 3}},
}
MODEL_EVENTS: tuple[Json, ...] = (
    {"type": "session.created", "session": {"id": "sess_1", "type": "realtime"}},
    {"type": "session.updated", "session": {"id": "sess_1", "tools": []}},
    {"type": "input_audio_buffer.speech_started", "item_id": "item_3", "audio_start_ms": 100},
    {"type": "input_audio_buffer.speech_stopped", "item_id": "item_3", "audio_end_ms": 900},
    {
        "type": "input_audio_buffer.timeout_triggered",
        "item_id": "item_3",
        "audio_start_ms": 900,
        "audio_end_ms": 5900,
    },
    {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": "item_3",
        "transcript": " Hello. ",
    },
    {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}},
    {"type": "response.output_audio.delta", "delta": "AAAAAAAA", **_PLACE},
    {"type": "response.audio.delta", "delta": "AAAAAAAA", **_PLACE},
    {"type": "response.output_audio.done", **_PLACE},
    {"type": "response.output_audio_transcript.delta", "delta": "Good ", **_PLACE},
    {"type": "response.output_audio_transcript.done", "transcript": "Good morning.", **_PLACE},
    {
        "type": "response.output_item.done",
        "response_id": "resp_1",
        "item": {**_CALL, "name": "hangup_call", "arguments": "{}"},
    },
    {"type": "response.done", "response": _DONE},
    {"type": "error", "error": {**_FAULT, "message": "no", "param": None, "event_id": "bot_1"}},
    {"type": "rate_limits.updated", "rate_limits": [{"name": "tokens", "limit": 1}]},
)


def _of_asterisk(kind: str, **fields: Any) -> Json:
    return {"type": kind, "application": APP, "timestamp": NOW, "asterisk_id": "00", **fields}


_CHANNEL = channel("caller-1", "201", "Up", UNICASTRTP_LOCAL_ADDRESS="127.0.0.1")
_PLAYBACK = {"id": "play-1", "media_uri": "sound:hello", "target_uri": "channel:caller-1", "state": "done"}
ASTERISK_EVENTS: tuple[Json, ...] = (
    _of_asterisk("StasisStart", channel=_CHANNEL, args=["shift"], replace_channel=_CHANNEL),
    _of_asterisk("StasisEnd", channel=_CHANNEL),
    _of_asterisk("ChannelDestroyed", channel=_CHANNEL, cause=16, cause_txt="Normal Clearing"),
    _of_asterisk("ChannelHangupRequest", channel=_CHANNEL, cause=16, soft=True),
    _of_asterisk("ChannelDtmfReceived", channel=_CHANNEL, digit="5", duration_ms=120),
    _of_asterisk("ChannelHold", channel=_CHANNEL, musicclass="default"),
    _of_asterisk("ChannelEnteredBridge", bridge=bridge("bridge-1"), channel=_CHANNEL),
    _of_asterisk("ChannelVarset", variable="BRANCH", value="harbour", channel=_CHANNEL),
    _of_asterisk("Dial", peer=_CHANNEL, dialstatus="RINGING", dialstring="201", caller=_CHANNEL),
    _of_asterisk("PlaybackFinished", playback=_PLAYBACK),
    _of_asterisk("ApplicationReplaced"),
    _of_asterisk("DeviceStateChanged", device_state={"name": "x", "state": "INUSE"}, channel=_CHANNEL),
)


def mutate(event: Json, rng: random.Random) -> bytes:
    """As it is in a third of the cases; else fields made odd, left out or moved, or the text spoilt."""
    kind = rng.randrange(6)
    if kind < 2:
        return json.dumps(event).encode()
    if kind < 5:
        return json.dumps(_with_odd_fields(event, rng)).encode()
    text = bytearray(json.dumps(event).encode())
    for _ in range(1 + rng.randrange(3)):
        at = rng.randrange(len(text))
        change = rng.randrange(3)
        if change == 0:
            text[at] ^= 1 << rng.randrange(8)
        elif change == 1:
            del text[at : at + 1 + rng.randrange(8)]
        else:
            text[at:at] = text[rng.randrange(at + 1) : at]
        if not text:
            break
    return bytes(text)


def _with_odd_fields(event: Json, rng: random.Random) -> Json:
    """Each field of each object with a chance of its own: odd, missing, or under another's name."""

    def odd(value: Any, depth: int) -> Any:
        if isinstance(value, dict):
            changed = {name: odd(inner, depth + 1) for name, inner in value.items()}
            for name in list(changed):
                chance = rng.random()
                if chance < 0.05:
                    del changed[name]
                elif chance < 0.1 and (depth or name != "type"):
                    changed[name] = rng.choice(ODD)
                elif chance < 0.12:
                    changed[name] = changed.get(rng.choice(list(value)))
            return changed
        return value

    changed: Json = odd(event, 0)
    return changed


def through_model_session(rng: random.Random) -> Callable[[bytes], None]:
    """What one message makes a call do: read it, answer, cut, ask; and take turns."""
    sessions = [new_session()]
    talk = Talk(rng)
    count = 0

    def receive(message: bytes) -> None:
        nonlocal count
        count += 1
        if count % SESSION_EVENTS == 0:
            sessions[0] = new_session()
        session = sessions[0]
        event: Event | None = session.receive(message)
        if isinstance(event, FunctionCall):
            session.answer(event.response_id, event.call_id, "{}")
        if (item_id := getattr(event, "item_id", None)) is not None:
            session.truncate(item_id, rng.randrange(200))
        session.due()
        if event is not None:
            talk.take(event)

    return receive


class Deaf(FakeModel):
    """Told as much as any, of which nothing is asked here."""

    def append(self, audio: bytes) -> None:
        pass


class Talk:
    """One talk after another, whose caller interrupts at random; time passes by 20 ms every few events."""

    def __init__(self, rng: random.Random) -> None:
        self.now = 100.0
        self._rng = rng
        self._events = 0
        self._talk = self._new()

    def take(self, event: Event) -> None:
        if self._events >= TALK_EVENTS or self._talk.turns.state is State.ENDED:
            self._events, self._talk = 0, self._new()
        self._events += 1
        self._talk.on_model(event)
        if self._events % TICK_EVERY == 0:
            self.now += TICK_S
            self._uplink.on_voice(self._rng.choice(VOICE))
            self._talk.tick(self.now)

    def _new(self) -> Conversation:
        script = Script(
            instructions="",
            greeting="",
            farewell=Farewell(),
            interruptible=True,
            protect_greeting=False,
            idle=IdleParams(),
            message=MessageParams(silence_s=2, max_s=10),
        )
        self._uplink = new_uplink()
        talk = Conversation(
            script,
            Deaf(),
            self._uplink,
            Downlink(ULAW, None, RtpSender(0, ssrc=2, sequence=0, timestamp=0)),
            ToolRegistry([HangupCall()]),
            Journal(began=self.now),
            NoDesk(),
            call_id="fuzz",
            clock=lambda: self.now,
            spawn=asyncio.run,
            send_packet=lambda packet: None,
            send_digits=_no_digits,
            on_message=lambda taken: None,
            on_end=lambda departure: None,
        )
        talk.take_line()
        talk.start_media()
        return talk


async def _no_digits(digits: str, tone_ms: int) -> None: ...


def hush() -> None:
    """A talk would log every odd thing that it is told."""
    configure(Logging(level="ERROR"))


def new_session() -> RealtimeSession:
    return RealtimeSession("ga", SessionRequest(instructions="", voice="marin", audio_format="pcm16"))


def through_asterisk_events(rng: random.Random) -> Callable[[bytes], None]:
    def receive(message: bytes) -> None:
        parse_event(message).channel_id  # noqa: B018  (some look into the event's data)

    return receive


Room = Callable[[random.Random], Callable[[bytes], None]]
ROOMS: dict[str, tuple[Sequence[Json], Room]] = {
    "model": (MODEL_EVENTS, through_model_session),
    "asterisk": (ASTERISK_EVENTS, through_asterisk_events),
}


def fuzz(room: str, count: int, seed: int = 0) -> dict[str, int]:
    """Raises AssertionError when memory grows, and whatever the room raises; returns counts."""
    events, through = ROOMS[room]
    rng = random.Random(seed)
    receive = through(rng)
    refused = heap = 0
    for n in range(count):
        try:
            receive(mutate(rng.choice(events), rng))
        except ProtocolError:
            refused += 1
        if n == count // 10:
            heap = rss_bytes("self")
    grown = rss_bytes("self") - heap
    assert grown < GROWN_BYTES, f"{grown} bytes more than after a tenth of the run"
    return {"events": count, "refused": refused, "grown_bytes": grown}


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    hush()
    for room in ROOMS:
        began = time.perf_counter()
        result = fuzz(room, count, seed)
        figures = " ".join(f"{key}={value}" for key, value in result.items())
        print(f"{room}: {figures} {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
