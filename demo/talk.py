"""What the caller says, and when: always after the agent has fallen silent, but for the one interruption."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from tests.e2e.asterisk import HarnessError
from tests.e2e.phone import Phone, Trace
from tests.e2e.sound import Pcm

AGENT_SILENT_S = 1.2
ANSWER_WITHIN_S = 20.0
HANGUP_WITHIN_S = 15.0
GOODBYES = 2
INTERRUPT_AFTER_S = 1.3


@dataclass(frozen=True)
class Line:
    """``expects``: a word of the right answer. ``interrupts``: said over the answer before."""

    words: str
    expects: str = ""
    interrupts: bool = False


SCRIPT = (
    Line("What are your opening hours?", expects="monday"),
    Line("How much does a repair cost?"),
    Line("Excuse me, what is your address?", expects="harbour", interrupts=True),
    Line("Goodbye and thank you."),
)


def hold(phone: Phone, voice: Mapping[str, Pcm], extension: str = "100") -> tuple[Trace, str]:
    """The whole call: what the wire saw, and what went wrong (empty: nothing)."""
    try:
        phone.dial(extension)
        heard = phone.wait_heard(ANSWER_WITHIN_S)
        for line in SCRIPT:
            if line.interrupts:
                time.sleep(max(heard + INTERRUPT_AFTER_S - time.monotonic(), 0))
            else:
                phone.wait_silence(AGENT_SILENT_S)
            if line is SCRIPT[-1]:
                _goodbye(phone, voice[line.words])
            else:
                phone.say(voice[line.words])
                heard = _answer(phone)
    except HarnessError as error:
        return _given_up(phone), str(error).split("\n")[0]
    return phone.trace(), ""


def _goodbye(phone: Phone, said: Pcm) -> None:
    """Until the agent hangs up; who was misheard says it again, as people do."""
    for tries_left in reversed(range(GOODBYES)):
        phone.say(said)
        try:
            phone.wait_closed(HANGUP_WITHIN_S)
        except HarnessError:
            if not tries_left:
                raise
        else:
            return


def _answer(phone: Phone) -> float:
    """When the agent begins to answer what was just said; at the latest when the call ends."""
    try:
        return phone.wait_heard(ANSWER_WITHIN_S, after=time.monotonic())
    except HarnessError:
        if phone.trace().ended:
            raise HarnessError("the call ended before the caller was answered") from None
        raise


def _given_up(phone: Phone) -> Trace:
    """Hang up, if there is still something to hang up."""
    phone.hangup()
    time.sleep(0.5)
    return phone.trace()
