"""The phone's figures are asked for without any harm to the call."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.ari import AriClient
from bot.call.leg import Leg
from bot.call.ports import Departure
from bot.errors import AriRefused, AriUnreachable, ProtocolError


def leg(answers: list[Any]) -> Leg:
    """A leg whose Asterisk gives these answers, one after the other; exceptions are raised."""

    async def rtpstatistics(channel_id: str) -> dict[str, Any]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return cast(dict[str, Any], answer)

    return Leg(
        cast(AriClient, SimpleNamespace(app="a", channels=SimpleNamespace(rtpstatistics=rtpstatistics))),
        "1",
        "c",
    )


@pytest.mark.parametrize(
    "failure",
    [
        AriRefused("no RTP", status=404),
        AriRefused("allocation failed", status=500),
        AriUnreachable("away"),
        ProtocolError("no JSON"),
        TimeoutError(),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_refusal_is_no_error_and_the_last_figures_stay(failure: Exception) -> None:
    phone = leg([failure, {"rxcount": 7}, failure])

    async def ask() -> None:
        await phone.ask_statistics()
        assert phone.rtp_statistics == {}
        await phone.ask_statistics()
        await phone.ask_statistics()

    asyncio.run(ask())
    assert phone.rtp_statistics == {"rxcount": 7}


def test_the_music_ends_before_a_caller_goes_on_in_the_dialplan() -> None:
    asked: list[str] = []

    def noted(name: str) -> Any:
        async def request(*_: Any, **__: Any) -> None:
            asked.append(name)

        return request

    channels = SimpleNamespace(
        start_moh=noted("start_moh"), stop_moh=noted("stop_moh"), continue_in_dialplan=noted("continue")
    )
    bridges = SimpleNamespace(remove_channel=noted("remove"))
    phone = Leg(cast(AriClient, SimpleNamespace(app="a", channels=channels, bridges=bridges)), "1", "c")

    async def leave() -> None:
        await phone.hold()
        await phone.release(Departure("continue", "bot", "shutdown"))

    asyncio.run(leave())
    assert asked == ["remove", "start_moh", "stop_moh", "continue"]


@pytest.mark.parametrize("slow", [True, False])
def test_a_release_that_takes_too_long_is_known(slow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The controller looks again for what was left there."""
    monkeypatch.setattr("bot.call.leg.RELEASE_WITHIN_S", 0.05)

    async def hangup(*_: Any, **__: Any) -> None:
        if slow:
            await asyncio.sleep(1)

    phone = Leg(cast(AriClient, SimpleNamespace(app="a", channels=SimpleNamespace(hangup=hangup))), "1", "c")
    asyncio.run(phone.release(Departure("hangup", "bot", "…")))
    assert phone.unreleased == slow


def test_a_request_that_is_still_under_way_is_known_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.call.leg.RELEASE_WITHIN_S", 0.05)
    asked: list[str] = []

    async def slow(*_: Any, **__: Any) -> None:
        await asyncio.sleep(0.2)

    async def destroy(name: str) -> None:
        asked.append(name)

    bridges = SimpleNamespace(create=slow, destroy=destroy)
    phone = Leg(cast(AriClient, SimpleNamespace(app="a", bridges=bridges)), "1", "c")

    async def leave() -> None:
        opening = asyncio.create_task(phone.open_media(("127.0.0.1", 1), "ulaw"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        opening.cancel()
        await phone.release(Departure("hangup", "caller", "…"))

    asyncio.run(leave())
    assert asked == [phone.bridge_id]
    assert phone.unreleased


@pytest.mark.parametrize("answer", [ProtocolError("no JSON"), AriRefused("busy", status=500), None])
def test_a_destination_is_dropped_whatever_its_call_was_answered_with(answer: Exception | None) -> None:
    dropped: list[str] = []

    async def originate(*_: Any, **__: Any) -> None:
        if answer is not None:
            raise answer

    async def hangup(name: str, **_: Any) -> None:
        dropped.append(name)

    channels = SimpleNamespace(originate=originate, hangup=hangup)
    phone = Leg(cast(AriClient, SimpleNamespace(app="a", channels=channels)), "1", "c")

    async def ring_and_drop() -> str:
        with suppress(ProtocolError, AriRefused):
            await phone.call_second("second", "desk", 20, "")
        there = phone.second_there
        await phone.drop_second()
        return there

    assert asyncio.run(ring_and_drop()) == ("" if answer else "second")
    assert dropped == ["second"]
