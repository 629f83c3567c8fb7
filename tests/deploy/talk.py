"""A spoken call to 100 from a phone on another machine than Asterisk, judged by ear (Whisper).

    python -m tests.deploy.talk --server ADDRESS --secret FILE --out heard.wav

Prints what was heard, as JSON; exit code 1 when the greeting, the answer or the farewell is not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from bot.offline.ears import transcribe
from bot.offline.formats import resample
from bot.offline.voice import open_voice
from tests.deploy.steps import expect
from tests.e2e.asterisk import Asterisk
from tests.e2e.phone import Phone, Trace
from tests.e2e.proxy import Relay, _Wire
from tests.e2e.sound import RATE_HZ, Pcm, write_wav

QUESTION = "What are your opening hours?"
GOODBYE = "Goodbye and thank you."
EXPECTED = ({"help"}, {"monday", "saturday"}, {"goodbye", "safely"})


@dataclass(frozen=True)
class Server:
    """All that a phone needs to know of an Asterisk."""

    address: str
    sip_port: int
    secret: Path

    def phone_password(self, account: str) -> str:
        return self.secret.read_text()


class DistantRelay(Relay):
    """Reaches a server that is not on loopback; Asterisk finds the way back as it does for any NAT."""

    async def bind(self, received, port: int = 0) -> _Wire:  # type: ignore[no-untyped-def]
        _, wire = await self._loop.create_datagram_endpoint(
            lambda: _Wire(received), local_addr=("0.0.0.0", port)
        )
        return wire


def distant_phone(server: Server, account: str = "phone") -> Phone:
    """Not started yet; it registers at ``server`` when entered."""
    phone = Phone(cast(Asterisk, server), account)
    phone.relay.close()
    phone.relay = DistantRelay((server.address, server.sip_port))
    return phone


async def _spoken(*sentences: str) -> list[Pcm]:
    voice = await open_voice()
    try:
        said = [resample(await voice.say(sentence), 24000, RATE_HZ) for sentence in sentences]
    finally:
        await voice.close()
    return [np.frombuffer(pcm, "<i2") for pcm in said]


def converse(phone: Phone) -> tuple[Trace, list[str]]:
    """Greeting, a question answered, goodbye; the call on the wire, and the words heard in each part."""
    sentences = asyncio.run(_spoken(QUESTION, GOODBYE))
    phone.dial("100")
    phone.wait_heard(20)
    marks = []
    for sentence in sentences:
        marks.append(phone.wait_silence(1.5))
        phone.say(sentence)
        phone.wait_heard(20, after=time.monotonic())
    trace = phone.wait_closed(40)
    heard = trace.heard()
    cuts = [round((mark - trace.start) * RATE_HZ) + RATE_HZ // 4 for mark in marks]
    return trace, [transcribe(part.astype("<i2").tobytes(), RATE_HZ) for part in np.split(heard, cuts)]


def missing(parts: list[str]) -> list[str]:
    """The expected words that were not heard."""
    heard = [{word.strip(".,!?'") for word in part.lower().split()} for part in parts]
    return [word for words, wanted in zip(heard, EXPECTED, strict=True) for word in sorted(wanted - words)]


def hold_call(asterisk: Asterisk) -> None:
    """A whole call from a phone on this machine. HarnessError when words are missing in what it heard."""
    with Phone(asterisk) as phone:
        trace, parts = converse(phone)
    print(f"  heard: {parts}")
    expect(not missing(parts), f"not heard: {missing(parts)}")
    expect(trace.ended_by == "asterisk", f"the call was ended by {trace.ended_by}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--port", type=int, default=5060)
    parser.add_argument("--account", default="phone")
    parser.add_argument("--secret", type=Path, required=True, help="a file with the account's password")
    parser.add_argument("--out", type=Path, help="a WAV of what was heard")
    options = parser.parse_args()
    with distant_phone(Server(options.server, options.port, options.secret), options.account) as phone:
        trace, parts = converse(phone)
    if options.out:
        write_wav(options.out, trace.heard())
    absent = missing(parts)
    answered = trace.answered and round(trace.answered - trace.invited, 2)
    print(
        json.dumps(
            {"answered_after_s": answered, "ended_by": trace.ended_by, "heard": parts, "missing": absent}
        )
    )
    return 1 if absent or trace.ended_by != "asterisk" else 0


if __name__ == "__main__":
    sys.exit(main())
