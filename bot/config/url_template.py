"""The address of an HTTP tool: the operator's, but for single values that arguments fill in.

An argument is data wherever it stands: it cannot change the scheme, the host, the number of path segments or
the names in the query.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

_PLACE = re.compile(r"\{([^{}]*)\}")
#: What may stand as it is in the operator's own text (RFC 3986 section 3.3 and 3.4).
_LITERAL = "%{}/?:@!$&'()*+,;=~"
_NOT_IN_A_SEGMENT = re.compile(r"[/\\\x00-\x1f\x7f]")


class UrlTemplate:
    """``https://shop.example/orders/{number}?lang={language}``; ``names`` are the arguments it takes.

    Raises ValueError, in words, for what is no such template.
    """

    def __init__(self, text: str) -> None:
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError("is no web address; begin it with https://HOST/")
        if "{" in parts.netloc or "{" in parts.scheme:
            raise ValueError("the host is not for an argument to choose; write it out")
        if "#" in text:
            raise ValueError("has a fragment (#…), which is never sent; remove it")
        if any("{" in pair.partition("=")[0] for pair in parts.query.split("&")):
            raise ValueError("in the query an argument is a value: write name={argument}")
        if re.search("[{}]", _PLACE.sub("", parts.path + parts.query)):
            raise ValueError("has a brace that belongs to no {argument}; write %7B and %7D for braces")
        if _climbs(parts.path):
            raise ValueError("has . or .. in its path; write the path out")
        self.host = parts.hostname
        self.names = tuple(dict.fromkeys(_PLACE.findall(parts.path) + _PLACE.findall(parts.query)))
        self._base = f"{parts.scheme}://{parts.netloc}"
        self._path = quote(parts.path, safe=_LITERAL)
        self._query = quote(parts.query, safe=_LITERAL)

    def fill(self, arguments: Mapping[str, Any], more: Mapping[str, Any]) -> str:
        """The address for ``arguments``, which must hold every name; ``more`` is added to the query.

        Raises ValueError for a value that cannot stand where it should.
        """
        path = _PLACE.sub(lambda place: _segment(place[1], arguments[place[1]]), self._path)
        if _climbs(path):
            raise ValueError("an argument may not be . or ..")
        query = [_PLACE.sub(lambda place: _value(place[1], arguments[place[1]]), self._query)]
        for name, value in more.items():
            values = value if isinstance(value, list) else [value]
            query += [f"{quote(name, safe='')}={_value(name, one)}" for one in values]
        asked = "&".join(filter(None, query))
        return self._base + path + (f"?{asked}" if asked else "")


def _segment(name: str, value: Any) -> str:
    """One argument in the path. A slash is refused even encoded: many servers decode it before they look."""
    encoded = _value(name, value)
    if not encoded or _NOT_IN_A_SEGMENT.search(unquote(encoded)):
        raise ValueError(f"{name}: must not be empty, nor hold a slash or a control character")
    return encoded


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise ValueError(f"{name}: must be text or a number")
    return quote(str(value), safe="")


def _climbs(path: str) -> bool:
    return any(unquote(segment) in (".", "..") for segment in path.split("/"))
