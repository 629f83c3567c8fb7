"""What callers who are handed on take along, under a scripted model. Every ending of it is in
``test_by_speech_transfers``, whose callers ask aloud.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.asterisk_config import dialled
from bot.config.settings import DIAL_CONTEXT, Settings
from tests.e2e.asterisk import Asterisk, wait_for
from tests.e2e.bot import Bot, settled
from tests.e2e.persona import acting, intent
from tests.e2e.phone import Phone

pytestmark = pytest.mark.asterisk

DESTINATIONS = {
    "desk": {"dial": "PJSIP/201", "ring_timeout": 5, "description": "a person"},
    "queue": {"context": "queue", "exten": "1"},
    "nowhere": {"context": "queue", "exten": "99"},
}
SUMMARY = 'Ada wants "a tyre"\n${SHELL(id)}, `today`.'
WRITTEN = "Ada wants 'a tyre' ''SHELL(id)', 'today'."
DIALPLAN = f"""
[phones]
exten => 110,1,Set(CALLERID(name)=Ada)
 same => n,Set(BRANCH=harbour)
 same => n,Stasis(voicebot)

[queue]
exten => 1,1,Log(NOTICE,to=${{VOICEBOT_TRANSFER}} about=${{VOICEBOT_SUMMARY}} branch=${{BRANCH}})
 same => n,Playback(tt-weasels)
 same => n,Hangup()

{dialled(Settings.model_validate({"destinations": DESTINATIONS}), f"[{DIAL_CONTEXT}]")}
"""


@pytest.fixture(scope="module")
def asterisk() -> Iterator[Asterisk]:
    with Asterisk(phones=["phone", "201"], dialplan=DIALPLAN) as instance:
        yield instance


@pytest.fixture
def bot(asterisk: Asterisk, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bot]:
    """A bot whose model transfers to ``request.param`` as soon as somebody speaks; nothing is left after."""
    transfer = intent(
        "put me through", "transfer_call", "One moment.", destination=request.param, summary=SUMMARY
    )
    with (
        acting(tmp_path, ["put me through"], transfer) as model,
        Bot(asterisk, model.url, destinations=DESTINATIONS) as running,
    ):
        yield running
        settled(asterisk)
        assert running.metric("voicebot_calls_active") == 0
        assert running.metric("voicebot_rtp_ports_free") == 500


def ask_for_somebody(phone: Phone) -> None:
    phone.dial("110")
    phone.wait_heard(5)
    phone.wait_silence(0.6)
    phone.say("Can I speak to somebody, please?")


def logged(asterisk: Asterisk, words: str, *, after: int = 0) -> None:
    """Wait for them in what Asterisk's log has beyond so many characters."""

    def there() -> bool:
        return words in asterisk.log_file.read_text(errors="replace")[after:]

    wait_for(f"{words!r} in Asterisk's log", there, 10)


def talk_to_each_other(one: Phone, other: Phone) -> None:
    """What each says is heard by the other."""
    for speaker, listener in ((one, other), (other, one)):
        listener.wait_silence(0.3) if listener.trace().last_audible else None
        before = time.monotonic()
        speaker.say("Hello, can you hear me?", wait=False)
        listener.wait_heard(5, after=before)
        speaker.quiet()


@pytest.mark.parametrize("bot", ["desk"], indirect=True)
def test_answered(asterisk: Asterisk, bot: Bot) -> None:
    with Phone(asterisk) as caller, Phone(asterisk, "201") as desk:
        ask_for_somebody(caller)
        desk.wait_incoming()
        invite = next(m for m in desk.relay.messages if m.method == "INVITE")
        assert 'From: "Ada" <sip:phone@' in invite.text, "the caller's own name and number"
        desk.accept()
        row = bot.wait_ended(1)[0]
        assert (row["outcome"], row["ended_by"]) == ("continue", "agent")
        assert row["transcript"][-1]["text"] == "One moment."
        talk_to_each_other(caller, desk)
        desk.hangup()
        assert caller.wait_closed(10).ended_by == "asterisk"


@pytest.mark.parametrize("bot", ["queue"], indirect=True)
def test_variables_go_along(asterisk: Asterisk, bot: Bot) -> None:
    """Those of the dialplan are kept, and the summary is one harmless line."""
    with Phone(asterisk) as caller:
        ask_for_somebody(caller)
        logged(asterisk, f"to=queue about={WRITTEN} branch=harbour")
        caller.hangup()
        bot.wait_ended(1)


@pytest.mark.parametrize("bot", ["nowhere"], indirect=True)
def test_an_extension_that_the_dialplan_lacks_ends_the_call(asterisk: Asterisk, bot: Bot) -> None:
    with Phone(asterisk) as caller:
        ask_for_somebody(caller)
        assert caller.wait_closed(15).ended_by == "asterisk"
        row = bot.wait_ended(1)[0]
    assert (row["outcome"], row["reason"]) == ("continue", "transferred to nowhere")
