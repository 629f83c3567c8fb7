"""A model that says what the test tells it to, at the moment the test chooses; keeps what it was told."""

from collections.abc import Sequence
from typing import Any


class FakeModel:
    def __init__(self) -> None:
        self.heard = b""
        self.told: list[tuple[Any, ...]] = []
        self.asked_id = ""

    def append(self, audio: bytes) -> None:
        self.heard += audio

    def tell(self, text: str) -> None:
        self.told.append(("tell", text))

    def listen_only(self, on: bool) -> None:
        self.told.append(("listen_only", on))

    def respond(self, response: dict[str, Any] | None = None) -> None:
        self.told.append(("respond", response or {}))
        self.asked_id = f"bot_{len(self.told)}"

    def answer(self, response_id: str, call_id: str, output: str, *, respond: bool = True) -> None:
        self.told.append(("answer", call_id, output, respond))

    def said(self, text: str) -> None:
        self.told.append(("said", text))

    def late(self, response_id: str, call_id: str) -> None:
        self.told.append(("late", call_id))

    def meanwhile(self, response: dict[str, Any]) -> None:
        self.told.append(("meanwhile", response))

    def forget(self) -> None:
        pass

    def interrupt(self, heard: Sequence[tuple[str, int]]) -> None:
        self.told += [("interrupt", item_id, played_ms) for item_id, played_ms in heard]

    def instruct(self, text: str) -> None:
        self.told.append(("instruct", text))
