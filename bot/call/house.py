"""What all calls share."""

import asyncio
from dataclasses import dataclass, field

from bot.ari import AriClient
from bot.call.ports import Mailbox
from bot.config.settings import Settings
from bot.media.pacer import Pacer
from bot.media.rtp import PortPool
from bot.realtime.client import Endpoint
from bot.realtime.warm import WarmSessions
from bot.records.recording import Recorders
from bot.tools.registry import ToolRegistry


@dataclass(frozen=True, slots=True)
class House:
    """Built once, in ``app``."""

    settings: Settings
    ari: AriClient
    endpoint: Endpoint
    warm: WarmSessions
    registry: ToolRegistry
    pacer: Pacer
    ports: PortPool
    recorders: Recorders | None
    mailbox: Mailbox
    estimating: asyncio.Lock = field(default_factory=asyncio.Lock)
