"""The laboratory's calls: a real Asterisk, the bot as shipped, SIP phones in rooms, and an agent of ours.

Every packet that a phone hears or sends passes its relay in this process and is stamped there. The phone's
room is in the relay, too: what the phone was given comes back in what it sends, as from a loudspeaker.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from bench.child import prefer
from bench.echo_rooms import Room
from bench.voice.agent import Agent, Part, Session
from bench.voice.machine import ALONE, check_pace, check_talk, preferred
from bot.audio.g711 import ULAW
from tests.e2e.asterisk import Asterisk, HarnessError
from tests.e2e.bot import Bot, settled
from tests.e2e.phone import Phone, Trace
from tests.e2e.proxy import Address, Packet, Relay, _Media
from tests.e2e.sound import RATE_HZ, Pcm, decode, likeness

WIDTH = 5
"""Calls at once: as many as two cores bear beside their phones and Asterisk."""
FRAME = 160
FRAME_S = FRAME / RATE_HZ
SILENCE = ULAW.silence * FRAME
LATE_S = 10
"""A busy machine's phone may begin so much later."""
INSTRUCTIONS = "{caller_number}"
ALIKE = 0.99
PAUSE_S = 0.2
"""Silence of the agent that is no gap between his words."""


class Said(NamedTuple):
    """A frame on its way: when it passed the relay, and its G.711."""

    time: float
    payload: bytes


class RoomRelay(Relay):
    """A relay with a room around the phone. ``said``: what its user said, before the room, and when."""

    def __init__(self, server: Address, *, seed: int = 1) -> None:
        super().__init__(server, seed=seed)
        self.room: Room | None = None
        self.said: list[Said] = []

    def media(self, call: _Media, data: bytes, from_phone: bool, rtcp: bool) -> None:
        if not rtcp and data[1] & 0x7F == ULAW.payload_type:
            data = self._in_the_room(data, from_phone)
        super().media(call, data, from_phone, rtcp)

    def _in_the_room(self, data: bytes, from_phone: bool) -> bytes:
        if from_phone:
            self.said.append(Said(time.monotonic(), data[12:]))
        if self.room is None:
            return data
        samples = decode(data[12:], ULAW.payload_type).astype(np.float64)
        if not from_phone:
            self.room.hear(samples)
            return data
        answer = np.clip(np.rint(self.room.answer(samples)), -32768, 32767).astype("<i2")
        return data[:12] + ULAW.encode(answer.tobytes())


@dataclass(frozen=True)
class Plan:
    """One call: what the caller says from his first packet on, how long he stays, and in which room."""

    says: Pcm
    seconds: float
    room: Callable[[], Room] | None = None


class Taken:
    """What became of one call."""

    def __init__(self, plan: Plan, trace: Trace, said: Sequence[Said], session: Session) -> None:
        self.plan = plan
        self.trace = trace
        self.session = session
        self.row: dict[str, Any] = {}
        self.heard = [Said(p.time, p.payload) for p in trace.packets if _to_phone(p)]
        self._said = said
        self._offset = self._align()

    def moment(self, sample: int) -> float:
        """When the caller's mouth made sample ``sample`` of the plan: a packet is full 20 ms after its
        first."""
        packet, place = divmod(sample + self._offset, FRAME)
        return self._said[packet].time - (FRAME - place) / RATE_HZ

    def agent(self, begin: float, end: float) -> list[Said]:
        """The frames of the agent's voice that the caller was given between two moments."""
        return [frame for frame in self.heard if begin <= frame.time < end and frame.payload != SILENCE]

    def silent_from(self, moment: float) -> float:
        """The end of the agent's last frame before his first silence of ``PAUSE_S`` after ``moment``."""
        last = moment
        for frame in self.agent(moment - FRAME_S, float("inf")):
            if frame.time - last > PAUSE_S:
                break
            last = frame.time + FRAME_S
        return last

    def noted(self, *kinds: str) -> list[float]:
        """When the bot noted something in the call's time line, on this process' clock."""
        timeline = self.row["timeline"]
        first = next((at for at, kind, _ in timeline if kind == "agent_audible"), None)
        if first is None:
            return []
        began = self.agent(0, float("inf"))[0].time - first
        return [began + at for at, kind, _ in timeline if kind in kinds]

    def _align(self) -> int:
        """Samples that the phone sent before the first of the plan."""
        sent = decode(b"".join(frame.payload for frame in self._said), ULAW.payload_type)
        says = self.plan.says[: len(sent)]
        if not says.any():
            return 0
        first = int(np.flatnonzero(says)[0])
        # He says the same again later, and perhaps louder.
        match, at = likeness(says[first : first + RATE_HZ], sent[: first + (LATE_S + 1) * RATE_HZ])
        if match < ALIKE:
            raise HarnessError("the phone has not sent what it was to say")
        return at - first


class Stage:
    """``with Stage(echo={"canceller": False}) as stage: stage.calls(part, plans)``; keywords configure the
    bot."""

    def __init__(self, *, phones: int = WIDTH, **blocks: Any) -> None:
        self._names = [f"20{number}" for number in range(phones)]
        self._blocks = blocks

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(preferred())
            self.asterisk = stack.enter_context(Asterisk(phones=self._names))
            self.agent = stack.enter_context(Agent())
            agents = {"default": {"greeting": "", "instructions": INSTRUCTIONS}}
            quiet = {"logging": {"level": "INFO", "transcripts": False}, **ALONE}
            self.bot = stack.enter_context(
                Bot(self.asterisk, self.agent.url, agents=agents, **{**quiet, **self._blocks})
            )
            self.phones = [
                stack.enter_context(Phone(self.asterisk, name, relay=RoomRelay)) for name in self._names
            ]
            for pid in (self.asterisk.pid, *(phone.pid for phone in self.phones)):
                prefer(pid)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def calls(self, part: Part, plans: Sequence[Plan], *, leaves: bool = False) -> list[Taken]:
        """Every plan as a call in which the agent plays ``part``; as many at once as there are phones.
        ``leaves``: the part means the agent to hang up.

        Raises HarnessError when the bot did what the part does not mean, Busy when its clock stood still.
        """
        self.agent.part = part
        taken: list[Taken] = []
        for at in range(0, len(plans), len(self.phones)):
            before = len(self.bot.calls())
            batch = plans[at : at + len(self.phones)]
            with ThreadPoolExecutor(len(batch)) as pool:
                done = list(pool.map(self._call, self.phones, batch))
            rows = {row["caller_number"]: row for row in self.bot.wait_ended(before + len(batch))[before:]}
            for call, phone in zip(done, self.phones, strict=False):
                call.row = rows[phone.account]
                if not leaves:
                    check_talk(call.row)
            taken += done
            settled(self.asterisk)
        check_pace(self.bot)
        return taken

    def _call(self, phone: Phone, plan: Plan) -> Taken:
        relay = phone.relay
        assert isinstance(relay, RoomRelay)
        relay.room = plan.room() if plan.room else None
        relay.said = []
        relay.packets.clear()
        relay.messages.clear()
        phone.will_say(plan.says)
        before = len(phone.events)
        phone.dial("100")
        over = time.monotonic() + plan.seconds + LATE_S
        while len(relay.said) * FRAME_S < plan.seconds and time.monotonic() < over:
            if any(event.type == "CALL_CLOSED" for event in phone.events[before:]):
                break
            time.sleep(0.1)
        else:
            phone.hangup()
        trace = phone.wait_closed()
        return Taken(plan, trace, relay.said, self.agent.session(phone.account))


def _to_phone(packet: Packet) -> bool:
    return not packet.from_phone and not packet.rtcp and packet.payload_type == ULAW.payload_type
