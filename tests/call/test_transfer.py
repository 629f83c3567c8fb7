"""The table of the attended transfer: every ending leads somewhere, and nothing leads back."""

import pytest

from bot.call.transfer import KEYS, OUTCOMES, TABLE, Input, State, ended

WAITING = {State.RINGING, State.BRIEFING}


def test_every_state_is_waited_in_or_connected_or_has_words() -> None:
    assert WAITING | {State.CONNECTED} | set(OUTCOMES) == set(State)
    assert set(TABLE.values()) == set(State) - {State.RINGING}


def test_what_is_decided_is_decided() -> None:
    """Only a connection that fails changes anything after a decision."""
    assert {pair for pair in TABLE if pair[0] not in WAITING} == {
        (State.CONNECTED, Input.FAULT),
        (State.CONNECTED, Input.LEFT),
    }


@pytest.mark.parametrize("state", [State.RINGING, State.BRIEFING])
@pytest.mark.parametrize("given", [Input.TIME_OVER, Input.WITHDRAW, Input.FAULT])
def test_whoever_waits_is_taken_back(state: State, given: Input) -> None:
    assert TABLE[state, given] in OUTCOMES


def test_nobody_accepts_who_has_not_answered() -> None:
    assert (State.RINGING, Input.ACCEPT) not in TABLE
    assert [pair for pair, after in TABLE.items() if after is State.CONNECTED] == [
        (State.BRIEFING, Input.ACCEPT)
    ]
    assert KEYS["1"] is Input.ACCEPT


@pytest.mark.parametrize(
    ("cause", "after"),
    [
        (17, State.ENGAGED),
        (16, State.UNANSWERED),
        (18, State.UNANSWERED),
        (19, State.UNANSWERED),
        (21, State.DECLINED),
        (3, State.UNREACHABLE),
        (0, State.UNREACHABLE),
    ],
)
def test_a_channel_that_ends_while_it_rings(cause: int, after: State) -> None:
    assert TABLE[State.RINGING, ended(State.RINGING, cause)] is after


def test_a_channel_that_ends_later_was_hung_up() -> None:
    assert TABLE[State.BRIEFING, ended(State.BRIEFING, 17)] is State.LEFT
