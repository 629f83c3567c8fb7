"""Addresses that would leave a call silent; this machine's own are known, 192.0.2.1 is nobody's."""

import pytest

from bot.addresses import address_doubts
from bot.config.settings import Rtp

HERE, ELSEWHERE = "http://127.0.0.1:8088", "http://192.0.2.1:8088"


@pytest.mark.parametrize(
    ("url", "rtp", "words"),
    [
        (HERE, Rtp(external_host="192.0.2.7"), ["where Asterisk is too: set it to 127.0.0.1"]),
        (ELSEWHERE, Rtp(), ["(RTP_BIND)", "at 192.0.2.1 sends the audio to itself"]),
        (ELSEWHERE, Rtp(bind="0.0.0.0"), ["(RTP_EXTERNAL_HOST)"]),
        (ELSEWHERE, Rtp(bind="0.0.0.0", external_host="192.0.2.7"), ["no address of this machine"]),
        ("http://nobody.invalid:8088", Rtp(), ["cannot be resolved"]),
    ],
)
def test_doubts(url: str, rtp: Rtp, words: list[str]) -> None:
    doubts = address_doubts(url, rtp)
    assert len(doubts) == len(words)
    assert all(word in doubt for word, doubt in zip(words, doubts, strict=True)), doubts


@pytest.mark.parametrize(
    ("url", "rtp"),
    [
        (HERE, Rtp()),
        (HERE, Rtp(bind="0.0.0.0", external_host="127.0.0.2")),
        ("http://localhost:8088", Rtp()),
        (ELSEWHERE, Rtp(bind="0.0.0.0", external_host="192.0.2.7", source="first")),
    ],
)
def test_none(url: str, rtp: Rtp) -> None:
    assert address_doubts(url, rtp) == []
