"""Asterisk's figures under our names. The statistics are those that a real Asterisk gave (22.10)."""

from bot.call.quality import phone_leg, uplink_mos
from bot.rtp.emodel import mos

CLEAN = {
    "txcount": 803,
    "rxcount": 803,
    "txploss": 0,
    "rxploss": 0,
    "txjitter": 0.001,
    "rxjitter": 0.0005,
    "rtt": 0.000457,
    "remote_normdevmes": 88.08,
}
#: 5 % of what the phone sent was lost on the way, and delayed by 0 to 20 ms.
SPOILT = CLEAN | {"txcount": 805, "rxcount": 766, "rxploss": 34, "txjitter": 0.0055, "rxjitter": 0.002}
#: The phone has not reported yet.
EARLY = CLEAN | {"rxjitter": 0.0, "rtt": 0.0, "remote_normdevmes": 0.0}


def test_a_clean_leg_is_as_good_as_g711_gets() -> None:
    leg = phone_leg(CLEAN)
    assert (leg["mos"], leg["to_phone_mos"]) == (4.41, 4.41)
    assert (leg["jitter_ms"], leg["to_phone_jitter_ms"], leg["rtt_ms"]) == (1.0, 0.5, 0.5)


def test_what_is_lost_from_the_phone_spoils_that_way_only() -> None:
    leg = phone_leg(SPOILT)
    assert (leg["received"], leg["lost"], leg["jitter_ms"]) == (766, 34, 5.5)
    assert leg["mos"] < 4.1
    assert leg["to_phone_mos"] == 4.41


def test_loss_at_the_phone_is_reckoned_without_concealment() -> None:
    """Nobody tells us what the phone does about it, so the worse figure is given."""
    lossy = phone_leg(CLEAN | {"txploss": 40})
    assert lossy["to_phone_mos"] < phone_leg(CLEAN | {"rxploss": 40})["mos"]


def test_what_the_phone_has_not_reported_is_not_known() -> None:
    leg = phone_leg(EARLY)
    assert leg["mos"] == 4.41
    assert leg["rtt_ms"] is None
    assert not [name for name in leg if name.startswith("to_phone")]


def test_no_figures_are_made_of_nothing() -> None:
    assert phone_leg({}) == phone_leg(CLEAN | {"rxcount": 0}) == {}
    assert phone_leg(CLEAN | {"rxploss": None, "txjitter": "odd"})["mos"] == 4.41
    assert uplink_mos(counts(0), None) is None


def counts(received: int, late: int = 0, duplicates: int = 0) -> dict[str, int]:
    return {"received": received, "lost": 0, "late": late, "duplicates": duplicates}


def test_packets_that_came_too_late_or_twice_were_not_heard() -> None:
    assert uplink_mos(counts(100, late=50), None) == round(mos(0.5, 60, 25.1), 2)
    assert uplink_mos(counts(200, duplicates=100), None) == uplink_mos(counts(100), None)
    assert uplink_mos(counts(10, late=10), None) == 1.18, "nothing of it"


def test_a_long_way_is_worse() -> None:
    near, far = uplink_mos(counts(1000), 20), uplink_mos(counts(1000), 700)
    assert near is not None
    assert far is not None
    assert far < 4 < near


def test_a_round_trip_of_hours_is_none() -> None:
    leg = phone_leg(CLEAN | {"rtt": 65536.0})
    assert leg["rtt_ms"] is None
    assert leg["mos"] == phone_leg(CLEAN)["mos"]
