"""The turn-taking table, as a table."""

from collections import deque

import pytest

from bot.call.turns import AWAITING_DRAIN, INTERRUPTIBLE, LEAVING, TABLE, Action, Input, State, Turns, as_text

A, G, S = Action, Input, State


def play(*inputs: Input) -> tuple[State, list[Action]]:
    turns = Turns()
    actions = [action for given in inputs for action in turns.give(given)]
    return turns.state, actions


STORIES = {
    "a plain answer": (
        [G.RESPONSE, G.AUDIO, G.AUDIO, G.DONE, G.DRAINED],
        S.IDLE,
        [A.CLOSE_GATE, A.OPEN_GATE],
    ),
    "a response without audio": ([G.RESPONSE, G.DONE], S.IDLE, []),
    "the caller coughs": (
        [G.RESPONSE, G.AUDIO, G.SPEECH, G.QUIET, G.DONE, G.DRAINED],
        S.IDLE,
        [A.CLOSE_GATE, A.PAUSE, A.RESUME, A.OPEN_GATE],
    ),
    "the caller interrupts while it is generated": (
        [G.RESPONSE, G.AUDIO, G.SPEECH, G.COMMIT],
        S.IDLE,
        [A.CLOSE_GATE, A.PAUSE, A.CUT, A.OPEN_GATE],
    ),
    "the caller interrupts what is done and still playing": (
        [G.RESPONSE, G.AUDIO, G.DONE, G.SPEECH, G.COMMIT],
        S.IDLE,
        [A.CLOSE_GATE, A.PAUSE, A.CUT, A.OPEN_GATE],
    ),
    "the server cancels, having heard the caller": (
        [G.RESPONSE, G.AUDIO, G.CANCELLED],
        S.IDLE,
        [A.CLOSE_GATE, A.CUT, A.OPEN_GATE],
    ),
    "farewell and function call in one response": (
        [G.RESPONSE, G.AUDIO, G.LEAVE, G.SPEECH, G.COMMIT, G.DONE, G.DRAINED, G.TAIL_OVER],
        S.ENDED,
        [A.CLOSE_GATE, A.LOCK, A.START_TAIL, A.DEPART],
    ),
    "a function call without a word brings a farewell": (
        [G.RESPONSE, G.LEAVE, G.DONE, G.RESPONSE, G.AUDIO, G.SPEECH, G.DONE, G.DRAINED, G.TAIL_OVER],
        S.ENDED,
        [A.LOCK, A.ASK_FAREWELL, A.START_TAIL, A.DEPART],
    ),
    "five goodbyes end the call once": (
        [G.RESPONSE, G.AUDIO, *[G.LEAVE] * 5, G.DONE, G.DRAINED, G.TAIL_OVER, G.TAIL_OVER, G.DEADLINE],
        S.ENDED,
        [A.CLOSE_GATE, A.LOCK, A.START_TAIL, A.DEPART],
    ),
    "a farewell that never comes": (
        [G.LEAVE, G.DEADLINE],
        S.ENDED,
        [A.LOCK, A.ASK_FAREWELL, A.DEPART],
    ),
    "the caller hangs up in the goodbye": (
        [G.RESPONSE, G.AUDIO, G.LEAVE, G.GONE, G.DRAINED, G.TAIL_OVER],
        S.ENDED,
        [A.CLOSE_GATE, A.LOCK],
    ),
    "the next response is created while the last is heard": (
        [G.RESPONSE, G.AUDIO, G.DONE, G.RESPONSE, G.DRAINED, G.AUDIO],
        S.SPEAKING,
        [A.CLOSE_GATE, A.OPEN_GATE, A.CLOSE_GATE],
    ),
    "a hang-up asked for while the agent is paused": (
        [G.RESPONSE, G.AUDIO, G.SPEECH, G.LEAVE, G.DONE, G.DRAINED],
        S.TAIL,
        [A.CLOSE_GATE, A.PAUSE, A.RESUME, A.LOCK, A.START_TAIL],
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_story(story: str) -> None:
    inputs, state, actions = STORIES[story]
    assert play(*inputs) == (state, actions)


def test_every_state_is_reached_and_can_end() -> None:
    reached, queue = {S.IDLE}, deque([S.IDLE])
    while queue:
        state = queue.popleft()
        for (before, _), (after, _) in TABLE.items():
            if before is state and after not in reached:
                reached.add(after)
                queue.append(after)
    assert reached == set(State)
    assert all(TABLE[state, G.GONE][0] is S.ENDED for state in State if state is not S.ENDED)


def test_nobody_interrupts_a_goodbye() -> None:
    assert not LEAVING & INTERRUPTIBLE


def test_leaving_ends_within_the_deadline() -> None:
    assert all((state, G.DEADLINE) in TABLE for state in LEAVING - {S.ENDED})


def test_leaving_leads_only_further_out() -> None:
    assert all(after in LEAVING for (before, _), (after, _) in TABLE.items() if before in LEAVING)


def test_the_gate_opens_only_where_it_was_closed() -> None:
    """On every path of the table: an open gate is not opened again, a closed one closed only by LOCK."""
    seen, queue = set(), deque([(S.IDLE, True)])
    while queue:
        state, is_open = queue.popleft()
        for (before, _), (after, actions) in TABLE.items():
            if before is not state:
                continue
            now_open = is_open
            for action in actions:
                assert not (action is A.OPEN_GATE and now_open)
                assert not (action is A.CLOSE_GATE and not now_open)
                now_open = {A.OPEN_GATE: True, A.CLOSE_GATE: False, A.LOCK: False}.get(action, now_open)
            if (after, now_open) not in seen:
                seen.add((after, now_open))
                queue.append((after, now_open))
    assert (S.IDLE, False) not in seen


def test_draining_states_are_awaited() -> None:
    assert {S.DRAINING, S.TRAILING, S.GREETED, S.FAREWELL_DONE} == AWAITING_DRAIN


def test_it_prints() -> None:
    assert len(as_text().splitlines()) == len(TABLE)
