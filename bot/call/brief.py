"""What one call is about, decided before it begins: which agent answers, and what the model is asked."""

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.ari.models import Channel
from bot.audio.echo import EchoParams
from bot.audio.g711 import ALAW, ULAW, Codec
from bot.audio.vad import VadParams
from bot.call.barge_in import BargeInParams
from bot.call.idle import IdleParams
from bot.call.ports import Departure
from bot.call.tape import MessageParams
from bot.call.uplink import UplinkParams
from bot.config.greeting import read_greeting
from bot.config.profile import Profile, render, resolve, select, variables
from bot.config.settings import BargeIn, Model, Settings
from bot.realtime.dialects import SessionRequest
from bot.rtp.sender import RtpSender
from bot.tools.handoff import HandoffToAgent
from bot.tools.registry import ToolRegistry

LINE_CODECS = {"ulaw": ULAW, "alaw": ALAW}
MODEL_CODECS: dict[str, Codec | None] = {"pcm16": None, "g711_ulaw": ULAW, "g711_alaw": ALAW}
RTP_CLOCK_HZ = 8000
#: The words of a message come a little after it.
TRANSCRIPT_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Operator:
    """The key that brings a person, and the way there."""

    key: str
    departure: Departure


@dataclass(frozen=True, slots=True)
class Brief:
    """``codec`` is the phone's, ``model_codec`` the model's (None: PCM16 at 24 kHz). ``tools`` are those that
    the agent may call. ``greeting_audio`` is in the phone's codec; empty when the model is to greet."""

    agent: str
    request: SessionRequest
    tools: ToolRegistry
    greeting: str
    greeting_audio: bytes
    codec: Codec
    model_codec: Codec | None
    uplink: UplinkParams
    interruptible: bool
    protect_greeting: bool
    operator: Operator | None
    idle: IdleParams
    message: MessageParams

    def sender(self) -> RtpSender:
        """A new RTP stream. Its timestamps follow the wall clock, so that a stream which takes over from
        another after a restart jumps by just the time that was lost."""
        return RtpSender(
            payload_type=self.codec.payload_type,
            ssrc=random.getrandbits(32),
            sequence=random.getrandbits(16),
            timestamp=int(time.time() * RTP_CLOCK_HZ) & 0xFFFFFFFF,
        )


def write_brief(
    settings: Settings,
    registry: ToolRegistry,
    channel: Channel,
    args: tuple[str, ...],
    channel_variables: dict[str, str],
    agent: str = "",
) -> Brief:
    """The brief for a caller who has just entered Stasis with ``args``, or for ``agent``: who
    calls out, or is handed the call."""
    if agent:
        profile = resolve(settings, agent)
    else:
        profile = select(settings, channel.dialplan.exten, channel.caller.number, args)
    others = (HandoffToAgent(profile.handoff),) if profile.handoff else ()
    tools = registry.chosen(profile.tools, *others)
    words = variables(
        datetime.now(UTC),
        settings.calls.time_zone,
        caller_number=channel.caller.number,
        caller_name=channel.caller.name,
        dialled_number=channel.dialplan.exten,
        channel=channel_variables,
    )
    openai = settings.openai
    uplink = uplink_params(settings, profile.barge_in)
    transcription = openai.transcription
    if transcription is not None:
        transcription = transcription.model_copy(update={"language": profile.language})
    request = SessionRequest(
        instructions=render(profile.instructions, words),
        voice=profile.voice,
        audio_format=openai.audio_format,
        turn_detection=_body(profile.turn_detection),
        transcription=_body(transcription),
        noise_reduction={"type": openai.noise_reduction} if openai.noise_reduction else None,
        tools=tuple(tools.to_openai_realtime_schema()),
        extra=openai.session,
    )
    barge_in, detection = profile.barge_in, profile.turn_detection
    return Brief(
        agent=profile.name,
        request=request,
        tools=tools,
        greeting=render(profile.greeting, words),
        greeting_audio=uplink.codec.encode(read_greeting(profile.greeting_audio))
        if profile.greeting_audio
        else b"",
        codec=uplink.codec,
        model_codec=uplink.model_codec,
        uplink=uplink,
        interruptible=barge_in.enabled,
        protect_greeting=barge_in.protect_greeting,
        operator=_operator(settings, profile),
        message=MessageParams(
            settings.message.silence_s,
            settings.message.max_s,
            TRANSCRIPT_WITHIN_S if transcription else 0.0,
        ),
        idle=IdleParams(
            settings.idle.prompt_after,
            settings.idle.prompts,
            server_after_s=((detection and detection.idle_timeout_ms) or 0) / 1000,
        ),
    )


def _operator(settings: Settings, profile: Profile) -> Operator | None:
    if not profile.operator_key:
        return None
    context, exten, priority = settings.destinations[profile.operator].place(profile.operator)
    return Operator(
        profile.operator_key,
        Departure(
            "continue",
            by="bot",
            reason=f"key {profile.operator_key}: transferred to {profile.operator}",
            context=context,
            exten=exten,
            priority=priority,
            variables={"VOICEBOT_TRANSFER": profile.operator},
        ),
    )


def uplink_params(settings: Settings, barge_in: BargeIn) -> UplinkParams:
    """How the caller is heard; ``barge_in`` is the agent's own, or ``settings.barge_in``."""
    vad = settings.vad
    return UplinkParams(
        codec=LINE_CODECS[settings.media.rtp.codec],
        model_codec=MODEL_CODECS[settings.openai.audio_format],
        reorder_ms=settings.media.rtp.reorder_ms,
        vad=VadParams(
            engine=vad.engine,
            webrtc_aggressiveness=vad.webrtc_aggressiveness,
            enhanced_enabled=vad.enhanced_enabled,
            confidence_threshold=vad.confidence_threshold,
            energy_threshold=vad.energy_threshold,
        ),
        barge_in=BargeInParams(suspect_ms=barge_in.suspect_ms, commit_ms=barge_in.commit_ms),
        echo=EchoParams() if settings.echo.canceller else None,
    )


def _body(block: Model | None) -> dict[str, Any] | None:
    """A block of the configuration as the API takes it: what is not set is left out."""
    return None if block is None else block.model_dump(exclude_none=True)
