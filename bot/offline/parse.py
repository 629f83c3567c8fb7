"""One text frame in, a checked client event out, or a ``Refusal`` in OpenAI's own words."""

from collections.abc import Iterable

import orjson
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bot.offline.config import Json
from bot.offline.wire import CLIENT_EVENTS, ClientEvent

_TYPE_NAMES = {
    "string_type": "a string",
    "int_type": "an integer",
    "float_type": "a decimal",
    "bool_type": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}


class Refusal(Exception):
    """A client event that the server refuses: what its ``error`` event says. The session goes on."""

    def __init__(
        self, code: str, message: str, param: str | None = None, event_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.event_id = event_id


def parse(frame: str | bytes, dialect: str) -> Json:
    """The client event in ``frame``, checked. Raises ``Refusal`` with the client's ``event_id``."""
    try:
        event = orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        raise Refusal("invalid_json", f"The event is not valid JSON: {error}.") from None
    if not isinstance(event, dict):
        raise Refusal("invalid_type", "Invalid type: expected an object.")
    event_id = event.get("event_id") if isinstance(event.get("event_id"), str) else None
    try:
        _model_of(event, dialect).model_validate(event)
    except ValidationError as error:
        code, message, param = _explain(event, error)
        raise Refusal(code, message, param, event_id) from None
    except Refusal as refusal:
        refusal.event_id = event_id
        raise
    return event


def _model_of(event: Json, dialect: str) -> type[ClientEvent]:
    if "type" not in event:
        raise Refusal("missing_required_parameter", "Missing required parameter: 'type'.", "type")
    known = CLIENT_EVENTS[dialect]
    if not isinstance(event["type"], str) or event["type"] not in known:
        values = _one_of(f"'{name}'" for name in known)
        raise Refusal(
            "invalid_value", f"Invalid value: '{event['type']}'. Supported values are: {values}.", "type"
        )
    return known[event["type"]]


def _explain(event: Json, error: ValidationError) -> tuple[str, str, str]:
    """``(code, message, param)`` of the fault to name: what is missing before what is too much."""
    faults = error.errors(include_url=False)
    fault = min(faults, key=lambda one: one["type"] not in ("missing", "union_tag_not_found"))
    param = _param(event, fault)
    context = fault.get("ctx", {})
    match fault["type"]:
        case "missing" | "union_tag_not_found":
            return "missing_required_parameter", f"Missing required parameter: '{param}'.", param
        case "extra_forbidden":
            return "unknown_parameter", f"Unknown parameter: '{param}'.", param
        case "literal_error":
            return "invalid_value", _unsupported(fault["input"], context["expected"]), param
        case "union_tag_invalid":
            return "invalid_value", _unsupported(context["tag"], context["expected_tags"]), param
        case "string_too_long":
            return "string_above_max_length", f"Invalid '{param}': string too long.", param
        case "greater_than_equal":
            text = (
                f"Invalid '{param}': expected a value >= {context['ge']}, but got {fault['input']} instead."
            )
            return "below_min_value", text, param
        case "less_than_equal":
            text = (
                f"Invalid '{param}': expected a value <= {context['le']}, but got {fault['input']} instead."
            )
            return "above_max_value", text, param
        case wrong if wrong in _TYPE_NAMES:
            return "invalid_type", f"Invalid type for '{param}': expected {_TYPE_NAMES[wrong]}.", param
    return "invalid_value", fault["msg"], param


def _param(event: Json, fault: ErrorDetails) -> str:
    """The fault's place as OpenAI writes it, ``session.tools[0].name``: pydantic's location without the
    union branches that it lists too."""
    place: object = event
    path = ""
    for step in fault["loc"]:
        if isinstance(place, dict) and step in place:
            place = place[step]
            path += f".{step}"
        elif isinstance(place, list) and isinstance(step, int):
            place = place[step]
            path += f"[{step}]"
    if fault["type"] == "missing":
        path += f".{fault['loc'][-1]}"
    elif fault["type"].startswith("union_tag"):
        path += "." + fault.get("ctx", {})["discriminator"].strip("'")
    return path.removeprefix(".")


def _unsupported(given: object, supported: str) -> str:
    values = _one_of(supported.replace(" or ", ", ").split(", "))
    return f"Invalid value: '{given}'. Supported values are: {values}."


def _one_of(values: Iterable[str]) -> str:
    *others, last = values
    return f"{', '.join(others)}, and {last}" if others else last
