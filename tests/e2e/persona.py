"""Personas of the embedded model made for one test: what its ears hear, and which functions that leads to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.e2e.bot import Model


def intent(phrase: str, name: str, say: str = "", after: str = "", **arguments: Any) -> dict[str, Any]:
    """Hearing ``phrase`` leads to the function ``name``; ``say`` before it, ``after`` when it has worked."""
    call = {"name": name, "arguments": arguments}
    return {"phrases": [phrase], "call": call, "say": say, "after": after, "on_error": "That did not work."}


def acting(folder: Path, script: list[str], *intents: dict[str, Any], **answers: str) -> Model:
    """A scripted model; a session's nth turn is heard as ``script[n]``; ``answers`` by question."""
    file = folder / "persona.yaml"
    entries = [{"questions": [question], "answer": answer} for question, answer in answers.items()]
    file.write_text(yaml.safe_dump({"script": script, "intents": list(intents), "answers": entries}))
    return Model(arguments=["--persona", str(file)])
