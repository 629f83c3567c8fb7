"""The live API as an OpenAPI 3.1 text, made from the same table that its routes are made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from bot import __version__
from bot.web.models import Problem

REF = "#/components/schemas/{model}"


@dataclass(frozen=True, slots=True)
class Operation:
    """One request. ``takes``: the model of its JSON body. ``answers``: the good status and its model.
    ``refuses``: statuses that come with a ``Problem``."""

    name: str
    method: str
    path: str
    summary: str
    answers: tuple[int, type[BaseModel]]
    refuses: tuple[int, ...]
    takes: type[BaseModel] | None = None


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole description, as JSON-ready data."""
    models: list[type[BaseModel]] = [Problem]
    for one in operations:
        models += [one.answers[1], *([one.takes] if one.takes else [])]
    _, schemas = models_json_schema(
        [(model, "validation") for model in dict.fromkeys(models)], ref_template=REF
    )
    paths: dict[str, Any] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {"title": "voicebot", "version": __version__},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(one: Operation) -> dict[str, Any]:
    status, model = one.answers
    refusals = (HTTPStatus.UNAUTHORIZED, *one.refuses)
    described: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "responses": {str(status): _body(model, "done")}
        | {str(int(code)): _body(Problem, HTTPStatus(code).phrase) for code in refusals},
    }
    if "{id}" in one.path:
        described["parameters"] = [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        ]
    if one.takes is not None:
        described["requestBody"] = {"required": True, **_body(one.takes)}
    return described


def _body(model: type[BaseModel], description: str = "") -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": REF.format(model=model.__name__)}}}
    return {"content": content} | ({"description": description} if description else {})
