"""Rules about the operator's own tools: names, schemas, addresses."""

import importlib.util
import re
from collections.abc import Iterator

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from bot.config.own_tools import NAME, installed
from bot.config.problem import Finding
from bot.config.rules import Rule, Subject
from bot.config.settings import HttpTool
from bot.config.url_template import UrlTemplate


def tool_names(subject: Subject) -> Iterator[Finding]:
    """Each name stands for one thing, and is one that the model may be told."""
    settings = subject.settings
    owners = dict.fromkeys(subject.known_tools, "a tool that comes along")
    for name, point in installed().items():
        package = point.dist.name if point.dist else "an installed package"
        if name in owners:
            remedy = f"uninstall {package}, or have it choose another name"
            yield Finding((), f"the tool {name} of {package} has the name of {owners[name]}", remedy)
        elif not NAME.fullmatch(name):
            yield Finding((), f"the tool {name} of {package} has no name for a tool", f"uninstall {package}")
        owners.setdefault(name, f"a tool of {package}")
    for block, kind in (("http_tools", "an HTTP tool"), ("mcp_servers", "an MCP server")):
        for name in getattr(settings, block):
            if not NAME.fullmatch(name):
                yield Finding((block, name), f"{name} is no name", "use at most 64 letters, digits, _ and -")
            if name in owners:
                yield Finding((block, name), f"{name} is the name of {owners[name]}", "choose another name")
            owners.setdefault(name, kind)


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


def mcp_servers(subject: Subject) -> Iterator[Finding]:
    servers = subject.settings.mcp_servers
    if servers and importlib.util.find_spec("mcp") is None:
        yield Finding(
            ("mcp_servers",), "the package mcp is not installed", "install the extra mcp (docs/install.md)"
        )
    for name, server in servers.items():
        path, url = ("mcp_servers", name), server.url.get_secret_value()
        if bool(url) == bool(server.command):
            yield Finding(
                path, "give url or command, one of them", "url for HTTP, command to start a program"
            )
        elif url and not url.startswith(("http://", "https://")):
            yield Finding((*path, "url"), "is no web address", "begin it with https://")
        for key in ("args", "env") if url else ("headers",):
            if getattr(server, key):
                yield Finding((*path, key), f"belongs to {'command' if url else 'url'}", "remove it")


RULES: tuple[Rule, ...] = (tool_names, http_tools, mcp_servers)
