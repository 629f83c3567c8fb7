"""One Asterisk for the whole session, more on demand; a failed test shows the end of their logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.e2e.asterisk import Asterisk
from tests.e2e.phone import Phone

PHONES = ("phone", "201", "202")

# Beside the shared dialplan: 102 writes the digits that it is sent to the log.
DIALPLAN = """
[phones]
exten => 102,1,Answer()
 same => n,Read(DIGITS,,3,,1,5)
 same => n,Log(NOTICE,digits=${DIGITS})
 same => n,Hangup()
"""

MakeAsterisk = Callable[..., Asterisk]
MakePhone = Callable[..., Phone]

_running: list[Asterisk] = []


@pytest.fixture(scope="session")
def asterisk() -> Iterator[Asterisk]:
    """The session's Asterisk, with the phone accounts of ``PHONES``."""
    with Asterisk(phones=PHONES, dialplan=DIALPLAN) as instance:
        _running.append(instance)
        yield instance
        _running.remove(instance)


@pytest.fixture
def make_asterisk() -> Iterator[MakeAsterisk]:
    """Instances of one's own, to stop, freeze or configure: ``make_asterisk(fallback="200")``."""
    with ExitStack() as stack:

        def make(**options: object) -> Asterisk:
            instance = stack.enter_context(Asterisk(**{"phones": PHONES, "dialplan": DIALPLAN, **options}))  # type: ignore[arg-type]
            _running.append(instance)
            stack.callback(_running.remove, instance)
            return instance

        yield make


@pytest.fixture
def make_phone(asterisk: Asterisk) -> Iterator[MakePhone]:
    """Registered phones, ended after the test: ``make_phone()``, ``make_phone("201", auto_answer=True)``."""
    with ExitStack() as stack:

        def make(account: str = "phone", *, at: Asterisk | None = None, **options: object) -> Phone:
            return stack.enter_context(Phone(at or asterisk, account, **options))  # type: ignore[arg-type]

        yield make


@pytest.fixture
def phone(make_phone: MakePhone) -> Phone:
    """A phone registered as ``phone``."""
    return make_phone()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment]
    if report.failed:
        for instance in _running:
            report.sections.append((f"Asterisk on SIP port {instance.sip_port}", instance.log_tail()))
    return report  # type: ignore[return-value]
