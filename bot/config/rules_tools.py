"""Rules about the operator's own tools: names, schemas, addresses."""

import re
from collections.abc import Iterator

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from bot.config.problem import Finding
from bot.config.rules import Rule, Subject
from bot.config.settings import HttpTool
from bot.config.url_template import UrlTemplate

TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What the Realtime API takes as the name of a function."""


def tool_names(subject: Subject) -> Iterator[Finding]:
    """Each name once, and one that the model may be told."""
    for name in subject.settings.http_tools:
        path = ("http_tools", name)
        if not TOOL_NAME.fullmatch(name):
            yield Finding(path, f"{name} is no name for a tool", "use at most 64 letters, digits, _ and -")
        if name in subject.known_tools:
            yield Finding(path, f"{name} is the name of a tool that comes along", "choose another name")


def http_tools(subject: Subject) -> Iterator[Finding]:
    for name, tool in subject.settings.http_tools.items():
        try:
            template = UrlTemplate(tool.url.get_secret_value())
        except ValueError as error:
            yield Finding(("http_tools", name, "url"), str(error))
            template = None
        yield from _parameters(name, tool, template)
        for header, value in tool.headers.items():
            if re.search(r"[\r\n\0]", header + value.get_secret_value()):
                path = ("http_tools", name, "headers", header)
                yield Finding(path, "a header is one line", "remove the line break")


def _parameters(name: str, tool: HttpTool, template: UrlTemplate | None) -> Iterator[Finding]:
    path, schema = ("http_tools", name, "parameters"), tool.parameters
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        inner = tuple(part for part in error.absolute_path)
        yield Finding((*path, *inner), f"is no JSON schema: {error.message}")
        return
    if schema and schema.get("type") != "object":
        yield Finding(path, "arguments have names", "write `type: object`, and `properties`")
        return
    for argument in template.names if template else ():
        if argument not in schema.get("properties", {}):
            yield Finding(
                (*path[:2], "url"), f"{{{argument}}} is no argument", "add it to parameters.properties"
            )
        elif argument not in schema.get("required", []):
            remedy = f"add {argument} to parameters.required"
            yield Finding((*path[:2], "url"), f"{{{argument}}} may be missing from a call", remedy)


RULES: tuple[Rule, ...] = (tool_names, http_tools)
