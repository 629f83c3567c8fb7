"""An order over the API and what the record says of it: the handler alone, without a server."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.call.journal import Journal
from bot.config.settings import Settings
from bot.tools.registry import ToolRegistry
from bot.tools.transfer import TransferCall
from bot.web.api import Api, Refusal
from tests.fakes.nobody import NoCall


class Talking(NoCall):
    leaving = False


class Order:
    match_info = {"id": "1"}  # noqa: RUF012

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def read(self) -> bytes:
        return self._body


async def test_a_transfer_is_noted_when_it_is_carried_out_and_not_when_it_is_refused() -> None:
    settings = Settings.model_validate({"destinations": {"sales": {"context": "phones", "exten": "200"}}})
    talk, journal = Talking(), Journal(began=0.0)
    call = SimpleNamespace(
        id="1",
        departure=None,
        talk=SimpleNamespace(conversation=talk),
        conversation=talk,
        journal=journal,
        now=lambda: 0.0,
    )
    controller = SimpleNamespace(calls={"1": call})
    registry = ToolRegistry([TransferCall(settings.destinations)])
    api = Api(settings, cast(Any, controller), cast(Any, None), registry)
    with pytest.raises(Refusal, match="no destination"):
        await api.transfer(cast(Any, Order(b'{"destination": "nowhere"}')))
    assert journal.timeline == []
    assert (await api.transfer(cast(Any, Order(b'{"destination": "sales"}')))).status == 202
    assert [(kind, detail) for _, kind, detail in journal.timeline] == [("operator", "transfer")]
