"""Who may be called out, and how often."""

import pytest

from bot.call.outbound import Allowance, dialled, unanswered
from bot.config.settings import Outbound
from bot.errors import OrderRefused
from bot.web.client import exit_code


def refusal(allowance: Allowance, endpoint: str, active: int = 0, now: float = 0.0) -> str:
    try:
        allowance.take(endpoint, active, now)
    except OrderRefused as error:
        return error.why
    return ""


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ("PJSIP/201", ""),
        ("PJSIP/+4930123@trunk", ""),
        ("PJSIP/301", "not_allowed"),
        ("PJSIP/2011", "not_allowed"),
        ("pjsip/201", "not_allowed"),
        ("Local/201@phones", "not_allowed"),
        # Patterns let these through; Asterisk would dial a second party, or run options.
        ("PJSIP/+49&PJSIP/+900@trunk", "not_allowed"),
        ("PJSIP/+49/sip:900@evil@trunk", "not_allowed"),
        ("PJSIP/+49,30,g@trunk", "not_allowed"),
        ("PJSIP/+49 @trunk", "not_allowed"),
        # No wildcard stands for the way to somewhere else.
        ("PJSIP/2@0", "not_allowed"),
        ("PJSIP/+49@evil@trunk", "not_allowed"),
        ("PJSIP/+49\n@trunk", "not_allowed"),
    ],
)
def test_only_what_the_operator_allowed_is_called(endpoint: str, why: str) -> None:
    allowance = Allowance(Outbound(allow=("PJSIP/2??", "PJSIP/+49*@trunk")))
    assert refusal(allowance, endpoint) == why


def test_a_pattern_without_a_trunk_allows_none() -> None:
    allowance = Allowance(Outbound(allow=("PJSIP/2*",)))
    assert refusal(allowance, "PJSIP/2125550100") == ""
    assert refusal(allowance, "PJSIP/2125550100@trunk") == "not_allowed"


@pytest.mark.parametrize(
    ("caller_id", "name", "number"),
    [
        ("Harbour Bikes <4930123456>", "Harbour Bikes", "4930123456"),
        ('"Harbour Bikes" <4930123456>', "Harbour Bikes", "4930123456"),
        ("<4930123456>", "", "4930123456"),
        ("4930123456", "", "4930123456"),
        ("", "", ""),
    ],
)
def test_who_calls_is_a_name_and_a_number(caller_id: str, name: str, number: str) -> None:
    caller = dialled("c", caller_id, "PJSIP/200").caller
    assert (caller.name, caller.number) == (name, number)


def test_nobody_is_called_without_an_allow_list() -> None:
    assert refusal(Allowance(Outbound()), "PJSIP/200") == "not_allowed"


def test_limits_of_calls_at_once_and_of_a_minute() -> None:
    allowance = Allowance(Outbound(allow=("*",), max_calls=2, per_minute=3))
    assert refusal(allowance, "PJSIP/1", active=2) == "too_many"
    assert [refusal(allowance, "PJSIP/1", now=second) for second in (0.0, 1.0, 2.0, 59.9)] == [
        "",
        "",
        "",
        "too_many",
    ]
    assert refusal(allowance, "PJSIP/1", now=60.0) == ""
    assert refusal(allowance, "PJSIP/1", now=60.5) == "too_many"


def test_a_refused_order_does_not_count() -> None:
    allowance = Allowance(Outbound(allow=("PJSIP/1",), per_minute=1))
    assert refusal(allowance, "PJSIP/2") == "not_allowed"
    assert refusal(allowance, "PJSIP/1") == ""


@pytest.mark.parametrize(
    ("cause", "words"),
    [(17, "busy"), (18, "no answer"), (19, "no answer"), (21, "rejected"), (3, "unreachable (cause 3)")],
)
def test_why_nobody_answered(cause: int, words: str) -> None:
    assert unanswered(cause) == words


def test_a_phone_that_rang_as_long_as_it_may_is_told_apart() -> None:
    assert unanswered(19, rang_out=True) == "ring time-out"
    assert unanswered(17, rang_out=True) == "busy"


@pytest.mark.parametrize(
    ("reason", "answered", "code"),
    [
        ("caller hung up", 1.0, 0),
        ("busy", None, 10),
        ("no answer", None, 11),
        ("ring time-out", None, 12),
        ("rejected", None, 13),
        ("unreachable (cause 3)", None, 14),
        ("answering machine", 1.0, 15),
    ],
)
def test_the_command_says_what_came_of_it(reason: str, answered: float | None, code: int) -> None:
    assert exit_code({"answered_at": answered, "reason": reason}) == code
