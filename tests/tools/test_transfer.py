"""Whatever a model writes, only the operator's destinations are reached; a summary is one line of text."""

import json
from typing import Any

import pytest

from bot.call.ports import Departure
from bot.config.settings import Destination, Settings
from bot.tools.attended import AttendedTransfer
from bot.tools.base import ToolResult, run_tool
from bot.tools.registry import ToolRegistry, built_tools
from bot.tools.transfer import MAX_SUMMARY_CHARS, TransferCall
from tests.fakes.nobody import NoCall

PLACES = {"desk": Destination(dial="PJSIP/200"), "sales": Destination(context="in", exten="7", priority=2)}


async def transfer(**arguments: Any) -> tuple[ToolResult, list[Departure]]:
    call = NoCall()
    return await run_tool(TransferCall(PLACES), call, json.dumps(arguments)), call.left


@pytest.mark.parametrize(
    "wanted",
    [
        "+49190123456",
        "PJSIP/+49190123456@trunk",
        "Local/0190@from-internal",
        "desk@from-internal",
        "desk,1)\nexten => x,1,Dial(PJSIP/0190",
        "DESK",
        "desk ",
        "voicebot-dial",
        "",
        ["desk"],
        {"dial": "PJSIP/0190"},
    ],
)
async def test_nothing_else_is_reached(wanted: object) -> None:
    result, departures = await transfer(destination=wanted)
    assert result.output["ok"] is False
    assert departures == []


@pytest.mark.parametrize("further", [{"dial": "PJSIP/0190"}, {"context": "from-internal"}, {"exten": "0190"}])
async def test_a_destination_cannot_be_amended(further: dict[str, str]) -> None:
    result, departures = await transfer(destination="desk", **further)
    assert result.output["ok"] is False
    assert departures == []


async def test_a_phone_is_reached_by_its_name_alone() -> None:
    _, (departure,) = await transfer(destination="desk")
    assert (departure.context, departure.exten, departure.priority) == ("voicebot-dial", "desk", 1)
    _, (departure,) = await transfer(destination="sales")
    assert (departure.context, departure.exten, departure.priority) == ("in", "7", 2)


async def test_the_summary_is_one_line_without_a_meaning_to_the_dialplan() -> None:
    written = 'a "b"\r\n${SHELL(x)} $[1] `c`\\ ' + "x" * 999
    _, (departure,) = await transfer(destination="desk", summary=written)
    summary = departure.variables["VOICEBOT_SUMMARY"]
    assert summary.startswith("a 'b' ''SHELL(x)' ''1' 'c'' xxx")
    assert len(summary) == MAX_SUMMARY_CHARS


def test_an_agent_has_the_tools_that_were_chosen_for_it() -> None:
    settings = Settings.model_validate({"destinations": {"desk": {"dial": "PJSIP/200"}}})
    everything = ToolRegistry(built_tools(settings))
    assert everything.get("transfer_call") is not None
    assert everything.get("attended_transfer") is not None
    chosen = everything.chosen(["hangup_call"])
    assert chosen.get("transfer_call") is None, "even if its model asks for it"
    assert [tool["name"] for tool in chosen.to_openai_realtime_schema()] == ["hangup_call"]


@pytest.mark.parametrize("tool", [AttendedTransfer(PLACES), TransferCall(PLACES)])
async def test_the_model_reads_names_and_no_numbers(tool: TransferCall | AttendedTransfer) -> None:
    schema = json.dumps(tool.parameters)
    assert '"enum": ["desk", "sales"]' in schema
    assert "PJSIP" not in schema
