"""Tools that installed packages bring: typed functions under the entry point group ``voicebot.tools``.

Annotations become the schema, the docstring is the description, the entry point's name the tool's.
"""

import inspect
from collections.abc import Awaitable, Callable
from importlib.metadata import EntryPoint
from typing import Any, get_type_hints

from pydantic import ConfigDict, create_model
from pydantic_core import to_jsonable_python

from bot.call.ports import CallControl
from bot.errors import ConfigError
from bot.tools.base import ToolResult, told

Function = Callable[..., Awaitable[Any]]


class PythonFunction:
    """``async def weather(town: str, days: int = 1) -> str``; a first ``CallControl`` gets the call.

    What it returns goes to the model, or is a ``ToolResult``; a ValueError is told to the model in its words.
    Raises TypeError, in words, for what is no such function.
    """

    timeout_s = 10.0

    def __init__(self, name: str, function: Function) -> None:
        if not inspect.iscoroutinefunction(function):
            raise TypeError("it is no `async def` function")
        if not (description := inspect.getdoc(function)):
            raise TypeError("it has no docstring to tell the model what it is for")
        self.name = name
        self.description = description
        self._function = function
        hints = get_type_hints(function, include_extras=True)
        parameters = list(inspect.signature(function).parameters.values())
        self._takes_call = bool(parameters) and hints.get(parameters[0].name) is CallControl
        fields: dict[str, Any] = {}
        for parameter in parameters[self._takes_call :]:
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise TypeError(f"its parameter {parameter.name} cannot be given by name")
            if parameter.name not in hints:
                raise TypeError(f"its parameter {parameter.name} has no annotation")
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (hints[parameter.name], default)
        self._arguments = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
        self.parameters: dict[str, Any] = self._arguments.model_json_schema()

    async def run(self, call: CallControl, arguments: dict[str, Any]) -> ToolResult:
        given = self._arguments.model_validate(arguments)
        named = {name: getattr(given, name) for name in type(given).model_fields}
        result = await self._function(*((call,) if self._takes_call else ()), **named)
        if isinstance(result, ToolResult):
            return result
        return told(to_jsonable_python(result, fallback=str))


def load_function(name: str, point: EntryPoint) -> PythonFunction:
    """Raises ConfigError that names the package, for one that cannot be imported or is no such function."""
    try:
        return PythonFunction(name, point.load())
    except Exception as error:  # the boundary of somebody else's package
        package = point.dist.name if point.dist else point.module
        why = f"{type(error).__name__}: {error}" if not isinstance(error, TypeError) else str(error)
        raise ConfigError(
            f"the tool {name} of {package} ({point.value}) cannot be used: {why}",
            remedy="mend or uninstall the package",
        ) from error
