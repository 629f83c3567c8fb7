"""Turn taking as one table: ``(state, input) → (state, actions)``; ``python -m bot.call.turns`` prints it.

A pair that is not in the table changes nothing. The states in which the line is being closed have no rows for
``SPEECH`` and ``COMMIT``: while the goodbye is spoken, nobody can interrupt it.
"""

from enum import Enum, auto


class State(Enum):
    IDLE = auto()  # nobody, or the caller, is speaking; the gate is open
    PENDING = auto()  # a response was created, no audio of it yet
    SPEAKING = auto()  # the agent is audible, more may come
    TRAILING = auto()  # one response is still being heard, the next was created
    DRAINING = auto()  # the response is complete, the caller is still hearing it
    SUSPECT = auto()  # paused: the caller may be speaking over the agent; more may come
    SUSPECT_DONE = auto()  # the same, the response is complete
    GREETING = auto()  # a greeting that nobody may interrupt is being said
    GREETED = auto()  # it is complete, the caller is still hearing it
    CLOSING = auto()  # the call is to be left; the response that said so has no audio yet
    ASKED = auto()  # a farewell was asked for
    FAREWELL = auto()  # the farewell is audible, more may come
    FAREWELL_DONE = auto()  # the farewell is complete, the caller is still hearing it
    TAIL = auto()  # all was heard; a moment of quiet
    ENDED = auto()


class Input(Enum):
    RESPONSE = auto()  # the model began a response
    AUDIO = auto()  # the live response brought audio
    DONE = auto()  # the live response is complete (or failed)
    CANCELLED = auto()  # the server cancelled it, because it heard the caller
    DRAINED = auto()  # the playout queue is empty and heard
    SPEECH = auto()  # the caller may be speaking over the agent
    QUIET = auto()  # it was a cough or «mm-hm»
    COMMIT = auto()  # it is an interruption
    PROTECT = auto()  # what comes next must be heard to its end
    LEAVE = auto()  # a tool, a limit or an operator wants the call to end or go elsewhere
    TAIL_OVER = auto()
    DEADLINE = auto()  # leaving has taken too long
    GONE = auto()  # the caller hung up


class Action(Enum):
    CLOSE_GATE = auto()
    OPEN_GATE = auto()
    PAUSE = auto()  # playout stops, the gate holds what it has
    RESUME = auto()  # playout goes on, the gate closes again
    CUT = auto()  # drop what is queued, tell the model what was heard
    LOCK = auto()  # only silence goes up from here; the deadline starts
    ASK_FAREWELL = auto()
    START_TAIL = auto()
    DEPART = auto()  # hang up, or continue in the dialplan


S, In, A = State, Input, Action
Row = tuple[State, tuple[Action, ...]]

TABLE: dict[tuple[State, Input], Row] = (
    {
        # Nobody speaks.
        (S.IDLE, In.RESPONSE): (S.PENDING, ()),
        (S.IDLE, In.AUDIO): (S.SPEAKING, (A.CLOSE_GATE,)),
        (S.IDLE, In.LEAVE): (S.ASKED, (A.LOCK, A.ASK_FAREWELL)),
        (S.PENDING, In.AUDIO): (S.SPEAKING, (A.CLOSE_GATE,)),
        (S.PENDING, In.DONE): (S.IDLE, ()),
        (S.PENDING, In.CANCELLED): (S.IDLE, ()),
        (S.PENDING, In.LEAVE): (S.CLOSING, (A.LOCK,)),
        # The agent speaks. The gate is closed until the response is done and has been heard.
        (S.SPEAKING, In.DONE): (S.DRAINING, ()),
        (S.SPEAKING, In.CANCELLED): (S.IDLE, (A.CUT, A.OPEN_GATE)),
        (S.SPEAKING, In.SPEECH): (S.SUSPECT, (A.PAUSE,)),
        (S.SPEAKING, In.COMMIT): (S.IDLE, (A.CUT, A.OPEN_GATE)),
        (S.SPEAKING, In.LEAVE): (S.FAREWELL, (A.LOCK,)),
        (S.DRAINING, In.DRAINED): (S.IDLE, (A.OPEN_GATE,)),
        (S.DRAINING, In.RESPONSE): (S.TRAILING, ()),
        (S.DRAINING, In.AUDIO): (S.SPEAKING, ()),
        (S.DRAINING, In.SPEECH): (S.SUSPECT_DONE, (A.PAUSE,)),
        (S.DRAINING, In.COMMIT): (S.IDLE, (A.CUT, A.OPEN_GATE)),
        (S.DRAINING, In.LEAVE): (S.FAREWELL_DONE, (A.LOCK,)),
        (S.TRAILING, In.DRAINED): (S.PENDING, (A.OPEN_GATE,)),
        (S.TRAILING, In.AUDIO): (S.SPEAKING, ()),
        (S.TRAILING, In.DONE): (S.DRAINING, ()),
        (S.TRAILING, In.CANCELLED): (S.DRAINING, ()),
        (S.TRAILING, In.SPEECH): (S.SUSPECT, (A.PAUSE,)),
        (S.TRAILING, In.COMMIT): (S.IDLE, (A.CUT, A.OPEN_GATE)),
        (S.TRAILING, In.LEAVE): (S.CLOSING, (A.LOCK,)),
        # The caller may be speaking over the agent.
        (S.SUSPECT, In.DONE): (S.SUSPECT_DONE, ()),
        (S.SUSPECT, In.CANCELLED): (S.IDLE, (A.CUT, A.OPEN_GATE)),
        (S.SUSPECT, In.QUIET): (S.SPEAKING, (A.RESUME,)),
        (S.SUSPECT, In.COMMIT): (S.IDLE, (A.CUT, A.OPEN_GATE)),
        (S.SUSPECT, In.LEAVE): (S.FAREWELL, (A.RESUME, A.LOCK)),
        (S.SUSPECT_DONE, In.RESPONSE): (S.SUSPECT, ()),
        (S.SUSPECT_DONE, In.QUIET): (S.DRAINING, (A.RESUME,)),
        (S.SUSPECT_DONE, In.COMMIT): (S.IDLE, (A.CUT, A.OPEN_GATE)),
        (S.SUSPECT_DONE, In.LEAVE): (S.FAREWELL_DONE, (A.RESUME, A.LOCK)),
        # The greeting, where it is protected: silence goes up, so that the server cannot cancel it either.
        (S.IDLE, In.PROTECT): (S.GREETING, (A.CLOSE_GATE,)),
        (S.GREETING, In.DONE): (S.GREETED, ()),
        (S.GREETING, In.CANCELLED): (S.GREETED, ()),
        (S.GREETING, In.LEAVE): (S.CLOSING, (A.LOCK,)),
        (S.GREETED, In.DRAINED): (S.IDLE, (A.OPEN_GATE,)),
        (S.GREETED, In.RESPONSE): (S.GREETING, ()),
        (S.GREETED, In.LEAVE): (S.ASKED, (A.LOCK, A.ASK_FAREWELL)),
        # Leaving: the farewell is spoken and heard in full, then a moment of quiet, then the call is left.
        (S.CLOSING, In.AUDIO): (S.FAREWELL, ()),
        (S.CLOSING, In.DONE): (S.ASKED, (A.ASK_FAREWELL,)),
        (S.CLOSING, In.CANCELLED): (S.ASKED, (A.ASK_FAREWELL,)),
        (S.ASKED, In.AUDIO): (S.FAREWELL, ()),
        (S.ASKED, In.DONE): (S.FAREWELL_DONE, ()),
        (S.ASKED, In.CANCELLED): (S.FAREWELL_DONE, ()),
        (S.FAREWELL, In.DONE): (S.FAREWELL_DONE, ()),
        (S.FAREWELL, In.CANCELLED): (S.FAREWELL_DONE, ()),
        (S.FAREWELL_DONE, In.DRAINED): (S.TAIL, (A.START_TAIL,)),
        (S.TAIL, In.TAIL_OVER): (S.ENDED, (A.DEPART,)),
    }
    | {
        (state, In.DEADLINE): (S.ENDED, (A.DEPART,))
        for state in (S.CLOSING, S.ASKED, S.FAREWELL, S.FAREWELL_DONE, S.TAIL)
    }
    | {(state, In.GONE): (S.ENDED, ()) for state in S if state is not S.ENDED}
)

#: States in which an empty playout queue means something; asked on every tick.
AWAITING_DRAIN = frozenset(state for state, given in TABLE if given is In.DRAINED)
#: States in which the caller's voice can interrupt the agent.
INTERRUPTIBLE = frozenset(state for state, given in TABLE if given is In.COMMIT)
LEAVING = frozenset({S.CLOSING, S.ASKED, S.FAREWELL, S.FAREWELL_DONE, S.TAIL, S.ENDED})


class Turns:
    """Where one call stands in the table."""

    def __init__(self) -> None:
        self.state = State.IDLE

    def give(self, given: Input) -> tuple[Action, ...]:
        """Take one input; the actions are to be carried out in order."""
        self.state, actions = TABLE.get((self.state, given), (self.state, ()))
        return actions


def as_text() -> str:
    """The table, one line a row."""
    return "\n".join(
        f"{state.name:13} {given.name:10} → {after.name:13} {' '.join(action.name for action in actions)}"
        for (state, given), (after, actions) in TABLE.items()
    )


if __name__ == "__main__":
    print(as_text())
