"""Every request the client can make, as it arrives at a real HTTP server, against Asterisk's rest-api."""

import inspect
import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from aiohttp import web

from bot.ari import AriClient
from bot.ari.rest import Resource
from tests.fakes.asterisk_http import AsteriskHttp, Request

VARIABLES = {"CALL_ID": "c1"}
CALLS: dict[str, dict[str, Any]] = {
    "applications.get": {"name": "other"},
    "applications.subscribe": {"event_source": "channel:c1"},
    "asterisk.get_info": {},
    "asterisk.get_module": {"module_name": "chan_rtp.so"},
    "asterisk.list_modules": {},
    "bridges.add_channel": {"bridge_id": "b1", "channels": ("c1", "c2")},
    "bridges.create": {"bridge_id": "b1", "type": "mixing", "name": "call"},
    "bridges.destroy": {"bridge_id": "b1"},
    "bridges.get": {"bridge_id": "b1"},
    "bridges.list": {},
    "bridges.play": {"bridge_id": "b1", "media": "sound:hi", "playback_id": "p1", "lang": "en"},
    "bridges.remove_channel": {"bridge_id": "b1", "channels": ("c1",)},
    "channels.answer": {"channel_id": "c1"},
    "channels.continue_in_dialplan": {
        "channel_id": "c1",
        "context": "default",
        "extension": "100",
        "priority": 1,
    },
    "channels.create": {
        "endpoint": "PJSIP/200",
        "channel_id": "c2",
        "app_args": "leg",
        "originator": "c1",
        "formats": "ulaw",
        "other_channel_id": "c3",
        "variables": VARIABLES,
    },
    "channels.dial": {"channel_id": "c2", "caller": "c1", "timeout_s": 20},
    "channels.external_media": {
        "channel_id": "em1",
        "format": "ulaw",
        "external_host": "127.0.0.1:20000",
        "encapsulation": "rtp",
        "transport": "udp",
        "connection_type": "client",
        "direction": "both",
        "data": "x",
        "transport_data": "f(json)",
        "variables": VARIABLES,
    },
    "channels.get": {"channel_id": "c1"},
    "channels.get_channel_var": {"channel_id": "c1", "variable": "CALL_ID"},
    "channels.hangup": {"channel_id": "c1", "reason": "normal"},
    "channels.hold": {"channel_id": "c1"},
    "channels.list": {},
    "channels.mute": {"channel_id": "c1", "direction": "in"},
    "channels.originate": {
        "endpoint": "PJSIP/200",
        "channel_id": "c2",
        "app_args": "leg",
        "originator": "c1",
        "caller_id": "Ann <200>",
        "timeout_s": 20,
        "formats": "ulaw",
        "other_channel_id": "c3",
        "variables": VARIABLES,
    },
    "channels.play": {"channel_id": "c1", "media": "sound:hi", "playback_id": "p1", "lang": "en"},
    "channels.ring": {"channel_id": "c1"},
    "channels.ring_stop": {"channel_id": "c1"},
    "channels.rtpstatistics": {"channel_id": "c1"},
    "channels.send_dtmf": {"channel_id": "c1", "dtmf": "12#", "duration_ms": 80, "between_ms": 60},
    "channels.set_channel_var": {"channel_id": "c1", "variable": "A", "value": "b c"},
    "channels.snoop_channel": {
        "channel_id": "c1",
        "snoop_id": "s1",
        "spy": "in",
        "whisper": "none",
        "app_args": "x",
    },
    "channels.start_moh": {"channel_id": "c1", "moh_class": "default"},
    "channels.stop_moh": {"channel_id": "c1"},
    "channels.unhold": {"channel_id": "c1"},
    "channels.unmute": {"channel_id": "c1", "direction": "out"},
    "device_states.get": {"device_name": "Custom:desk"},
    "events.claim_channel": {"channel_id": "c1"},
    "playbacks.stop": {"playback_id": "p1"},
}

CALLER = {"name": "", "number": ""}
CHANNEL = {
    "id": "c1",
    "name": "PJSIP/1-1",
    "state": "Up",
    "caller": CALLER,
    "connected": CALLER,
    "accountcode": "",
    "dialplan": {"context": "default", "exten": "100", "priority": 1},
    "creationtime": "2026-01-02T03:04:05.678+0000",
    "language": "en",
}
BRIDGE = {
    "id": "b1",
    "technology": "simple_bridge",
    "bridge_type": "mixing",
    "bridge_class": "stasis",
    "creator": "Stasis",
    "name": "",
    "channels": ["c1"],
    "creationtime": "2026-01-02T03:04:05.678+0000",
}
MODULE = {"name": "m", "description": "", "use_count": 0, "status": "Running", "support_level": "core"}
ANSWERS: dict[str, Any] = {
    "void": None,
    "Channel": CHANNEL,
    "List[Channel]": [CHANNEL],
    "Bridge": BRIDGE,
    "List[Bridge]": [BRIDGE],
    "Module": MODULE,
    "List[Module]": [MODULE],
    "Application": {"name": "bot", "channel_ids": ["c1"], "bridge_ids": []},
    "Playback": {"id": "p1", "media_uri": "sound:hi", "target_uri": "channel:c1", "state": "queued"},
    "Variable": {"value": "v"},
    "DeviceState": {"name": "Custom:desk", "state": "NOT_INUSE"},
    "AsteriskInfo": {"system": {"version": "22"}},
    "RTPstat": {"txcount": 1},
}


def client(url: str) -> AriClient:
    return AriClient(url, "user", "secret", "bot", on_event=lambda event: None)


def resources(ari: AriClient) -> dict[str, Resource]:
    return {name: value for name, value in vars(ari).items() if isinstance(value, Resource)}


def public_methods(ari: AriClient) -> dict[str, Any]:
    return {
        f"{name}.{method}": bound
        for name, resource in resources(ari).items()
        for method, bound in inspect.getmembers(resource, inspect.ismethod)
        if not method.startswith("_")
    }


def snake(nickname: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z]+)", lambda m: "_" + m[1].lower(), nickname)


def operation_of(operations: dict[str, list[dict[str, Any]]], call: str) -> dict[str, Any]:
    resource, method = call.split(".")
    found = [o for o in operations[resource] if snake(o["nickname"]) == method]
    assert len(found) == 1, f"Asterisk has no operation {call}"
    return found[0]


async def ask(method: Any, given: dict[str, Any]) -> Any:
    """Calls with the entry's arguments; a ``*channels`` parameter takes its tuple."""
    signature = inspect.signature(method)
    args = [
        value
        for name, parameter in signature.parameters.items()
        if parameter.kind is not parameter.KEYWORD_ONLY and name in given
        for value in (given[name] if parameter.kind is parameter.VAR_POSITIONAL else (given[name],))
    ]
    keywords = {
        name: given[name]
        for name, p in signature.parameters.items()
        if p.kind is p.KEYWORD_ONLY and name in given
    }
    return await method(*args, **keywords)


def variants(method: Any, given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The entry itself, then one for each value of each ``Literal`` that the method takes."""
    yield given
    for name, hint in get_type_hints(method).items():
        for option in (hint, *get_args(hint)):
            if get_origin(option) is Literal:
                yield from ({**given, name: value} for value in get_args(option))


def check(request: Request, operation: dict[str, Any]) -> None:
    """One request on the wire against one operation of rest-api."""
    assert request.method == operation["httpMethod"]
    template = re.sub(r"\{\w+\}", "[^/]+", operation["path"])
    assert re.fullmatch(template, request.path), f"{request.path} is not {operation['path']}"
    parameters = {p["name"]: p for p in operation.get("parameters", [])}
    in_query = {name for name, p in parameters.items() if p["paramType"] == "query"}
    in_body = {name for name, p in parameters.items() if p["paramType"] == "body"}
    # Asterisk takes query parameters in a JSON body as well.
    sent = {**request.query, **request.body}
    assert set(request.query) <= in_query, f"unknown in the query: {set(request.query) - in_query}"
    assert set(request.body) <= in_query | in_body, f"unknown in the body: {set(request.body)}"
    required = {n for n, p in parameters.items() if p.get("required") and p["paramType"] != "path"}
    assert required <= set(sent), f"missing: {required - set(sent)}"
    for name, value in sent.items():
        check_value(name, value, parameters[name])


def check_value(name: str, value: Any, parameter: dict[str, Any]) -> None:
    if parameter["dataType"] in ("int", "long"):
        assert str(value).isdigit(), f"{name} is not a number: {value!r}"
    if allowed := (parameter.get("allowableValues") or {}).get("values"):
        assert value in allowed, f"{name}={value} is not one of {allowed}"


def test_every_public_method_has_an_entry_that_uses_every_parameter() -> None:
    methods = public_methods(client("http://127.0.0.1:1"))
    assert set(methods) == set(CALLS)
    for name, method in methods.items():
        assert set(inspect.signature(method).parameters) == set(CALLS[name]), name


@pytest.mark.parametrize("call", CALLS)
async def test_request_is_one_of_asterisks(call: str, operations: dict[str, list[dict[str, Any]]]) -> None:
    operation = operation_of(operations, call)
    answer = ANSWERS[operation["responseClass"]]

    async def respond(request: Request) -> web.StreamResponse:
        return web.Response(status=204) if answer is None else web.json_response(answer)

    asterisk = AsteriskHttp(on_request=respond)
    async with asterisk.serve(), client(asterisk.url) as ari:
        method = public_methods(ari)[call]
        for given in variants(method, CALLS[call]):
            await ask(method, given)
    assert asterisk.requests
    for request in asterisk.requests:
        check(request, operation)


async def test_nothing_but_what_is_required_is_sent_by_default(
    operations: dict[str, list[dict[str, Any]]],
) -> None:
    async def respond(request: Request) -> web.StreamResponse:
        return web.json_response(CHANNEL)

    asterisk = AsteriskHttp(on_request=respond)
    async with asterisk.serve(), client(asterisk.url) as ari:
        await ari.channels.external_media("em1", format="ulaw")
    (request,) = asterisk.requests
    check(request, operation_of(operations, "channels.external_media"))
    assert (request.query, request.body) == ({"channelId": "em1", "app": "bot", "format": "ulaw"}, {})


@pytest.mark.parametrize("channel_id", ["1700000000.1", "a/b c", "ü+%2F?#"])
async def test_ids_and_values_survive_the_wire(channel_id: str) -> None:
    asterisk = AsteriskHttp()
    async with asterisk.serve(), client(asterisk.url) as ari:
        await ari.channels.continue_in_dialplan(channel_id, context=channel_id)
    (request,) = asterisk.requests
    assert request.path == f"/channels/{channel_id}/continue"
    assert request.raw.split("?")[0].count("/") == 4
    assert request.query == {"context": channel_id}
