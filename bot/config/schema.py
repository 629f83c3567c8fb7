"""The settings looked at as a tree of keys: what may stand where, in words that operators read."""

import difflib
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from bot.config.problem import Path
from bot.config.settings import Settings

_WORDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    SecretStr: "text (secret)",
}


class Key(NamedTuple):
    """One key of ``config.yaml``; names chosen by the operator are written ``NAME``."""

    path: str
    type: str
    default: str


def keys() -> list[Key]:
    """Every key, in the order of the settings; a block met before is one key (``as barge_in``)."""
    return list(_keys(Settings, Settings(), "", {}))


def _keys(
    model: type[BaseModel], default: object, prefix: str, seen: dict[type[BaseModel], str]
) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        path = prefix + name
        value = getattr(default, name, field.default)
        inner, below = _plain(field.annotation), path
        if get_origin(inner) is dict:
            inner, below = _plain(get_args(inner)[1]), f"{path}.NAME"
        if not _is_model(inner):
            written = "required" if value is PydanticUndefined else _written(value)
            yield Key(path, describe(field.annotation, tuple(field.metadata)), written)
        elif inner in seen:
            yield Key(path, f"as {seen[inner]}", _written(value))
        else:
            seen[inner] = below
            yield from _keys(inner, value, f"{below}.", seen)


def describe(annotation: Any, metadata: tuple[Any, ...] = ()) -> str:
    """A type as an operator reads it: ``whole number, 0 to 3``; ``ga or beta``; ``list of text``."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return describe(
            inner, (*metadata, *(m for extra in more for m in getattr(extra, "metadata", [extra])))
        )
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        (inner,) = (arg for arg in args if arg is not type(None))
        return f"{describe(inner, metadata)}, or null"
    if origin is Literal:
        return " or ".join(map(str, args))
    if origin is tuple:
        return f"list of {describe(args[0])}"
    if origin is dict:
        return f"block of names and values ({describe(args[1])})"
    if _is_model(annotation):
        return "block of keys"
    return _WORDS.get(annotation, "any") + _range(metadata)


def _range(metadata: tuple[Any, ...]) -> str:
    low = next((m.ge for m in metadata if isinstance(m, Ge)), None)
    high = next((m.le for m in metadata if isinstance(m, Le)), None)
    if low is None:
        return ""
    return f", {low} to {high}" if high is not None else f", {low} or more"


def _written(value: Any) -> str:
    """A default as it would stand in the file."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, SecretStr):
        return "empty"
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return "empty" if value in ("", {}) else str(value)


def annotation_at(path: Path) -> Any | None:
    """The type of the value at ``path``; ``None`` where the settings know no such key."""
    annotation: Any = Settings
    for part in path:
        annotation = _plain(annotation)
        if _is_model(annotation):
            field = annotation.model_fields.get(str(part))
            if field is None:
                return None
            annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        elif get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
        elif get_origin(annotation) is tuple:
            annotation = get_args(annotation)[0]
        else:
            return None
    return annotation


def nullable(annotation: Any) -> bool:
    """Whether ``null`` means something of its own there."""
    if get_origin(annotation) is Annotated:
        return nullable(get_args(annotation)[0])
    return annotation is Any or type(None) in get_args(annotation)


def default_at(path: Path) -> bool:
    """Whether the key at ``path`` can be left out: fields with a default, but no entry of a map or list."""
    parent = _plain(annotation_at(path[:-1]))
    field = parent.model_fields.get(str(path[-1])) if _is_model(parent) else None
    return field is not None and field.default is not PydanticUndefined


def known_keys(path: Path) -> list[str]:
    """The keys that may stand in the block at ``path``."""
    annotation = _plain(annotation_at(path))
    return list(annotation.model_fields) if _is_model(annotation) else []


def suggest(path: Path) -> str:
    """What somebody who wrote the unknown key at ``path`` may have meant."""
    key = str(path[-1])
    near = difflib.get_close_matches(key, known_keys(path[:-1]), n=1)
    elsewhere = [known.path for known in keys() if key in known.path.split(".")]
    # A block counts as itself, not once for every key in it.
    places = list(dict.fromkeys(p[: p.index(key) + len(key)] if f"{key}." in p else p for p in elsewhere))
    hints = [f"did you mean {near[0]}?"] if near else []
    if places:
        hints.append(f"{key} exists as {' and '.join(places[:3])}")
    if not hints:
        hints.append(f"known here: {', '.join(known_keys(path[:-1]))}")
    return " ".join(hints)


def secret(path: Path) -> bool:
    """Whether the value at ``path`` must not be shown."""
    return "(secret)" in describe(annotation_at(path))


def _plain(annotation: Any) -> Any:
    """Without ``Annotated`` and without ``| None``."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return _plain(next(arg for arg in get_args(annotation) if arg is not type(None)))
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
