"""An attended transfer as one table: ``(state, input) → state``. PURE; ``consult`` does what it says.

The caller hears music while it rings and while the destination is told of him; after those states that are in
``OUTCOMES`` he is back with the agent. A pair that is not in the table changes nothing.
"""

from enum import Enum, auto

BUSY, NO_USER, NO_ANSWER, REJECTED, NORMAL = 17, 18, 19, 21, 16


class State(Enum):
    RINGING = auto()  # the destination's phone
    BRIEFING = auto()  # it has answered; the agent tells it of the caller
    CONNECTED = auto()  # caller and destination talk; the agent is gone
    ENGAGED = auto()
    UNANSWERED = auto()
    UNREACHABLE = auto()
    DECLINED = auto()
    LEFT = auto()
    UNDECIDED = auto()
    WITHDRAWN = auto()
    FAILED = auto()


class Input(Enum):
    ANSWERED = auto()
    ACCEPT = auto()  # a key, or a word
    DECLINE = auto()
    ENGAGED = auto()  # busy
    UNANSWERED = auto()
    UNREACHABLE = auto()
    LEFT = auto()  # the destination hung up
    TIME_OVER = auto()  # of the present state
    WITHDRAW = auto()  # the call is to end: whoever has it, must have it back
    FAULT = auto()  # Asterisk or the model failed


S, In = State, Input

TABLE: dict[tuple[State, Input], State] = {
    (S.RINGING, In.ANSWERED): S.BRIEFING,
    (S.RINGING, In.ENGAGED): S.ENGAGED,
    (S.RINGING, In.UNANSWERED): S.UNANSWERED,
    (S.RINGING, In.UNREACHABLE): S.UNREACHABLE,
    (S.RINGING, In.DECLINE): S.DECLINED,
    (S.RINGING, In.TIME_OVER): S.UNANSWERED,
    (S.RINGING, In.WITHDRAW): S.WITHDRAWN,
    (S.RINGING, In.FAULT): S.FAILED,
    (S.BRIEFING, In.ACCEPT): S.CONNECTED,
    (S.BRIEFING, In.DECLINE): S.DECLINED,
    (S.BRIEFING, In.LEFT): S.LEFT,
    (S.BRIEFING, In.TIME_OVER): S.UNDECIDED,
    (S.BRIEFING, In.WITHDRAW): S.WITHDRAWN,
    (S.BRIEFING, In.FAULT): S.FAILED,
    (S.CONNECTED, In.LEFT): S.LEFT,  # before they were put together
    (S.CONNECTED, In.FAULT): S.FAILED,  # they could not be put together
}

#: Why the caller is back, in words for the model and the record.
OUTCOMES = {
    S.ENGAGED: "the line is busy",
    S.UNANSWERED: "nobody answers",
    S.UNREACHABLE: "the phone cannot be reached",
    S.DECLINED: "they do not take the call",
    S.LEFT: "they hung up before they took the call",
    S.UNDECIDED: "they answered, and did not say whether they take the call",
    S.WITHDRAWN: "the transfer was given up",
    S.FAILED: "the transfer failed",
}

KEYS = {"1": In.ACCEPT, "2": In.DECLINE}
_CAUSES = {BUSY: In.ENGAGED, NO_USER: In.UNANSWERED, NO_ANSWER: In.UNANSWERED, NORMAL: In.UNANSWERED}


def ended(state: State, cause: int) -> Input:
    """What it means that the destination's channel ended with a Q.850 cause."""
    if state is not S.RINGING:
        return In.LEFT
    return In.DECLINE if cause == REJECTED else _CAUSES.get(cause, In.UNREACHABLE)
