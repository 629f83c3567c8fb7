"""The persona: what the embedded model knows and does, read from its own YAML file."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from bot.errors import ConfigError

DEFAULT_PERSONA = Path(__file__).with_name("persona.yaml")


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FunctionCall(Part):
    name: str
    arguments: dict[str, Any] = {}


class Intent(Part):
    """``phrases`` lead to ``call``; ``say`` before it, ``after`` or ``on_error`` once its output is there.

    ``{answer.status}`` in ``after`` is that value of the output. ``then`` is called after it, and may take
    arguments from the output in the same way: what a model does that obeys what it reads.
    """

    phrases: tuple[str, ...]
    call: FunctionCall
    say: str = ""
    after: str = ""
    on_error: str = ""
    then: FunctionCall | None = None


class Knowledge(Part):
    questions: tuple[str, ...]
    answer: str


class Persona(Part):
    """``hint`` helps the ears: a sentence about the call. ``script`` is what scripted ears hear."""

    hint: str = ""
    greeting: str = "Hello, how can I help you?"
    fallback: str = "Sorry, I did not understand that."
    unheard: str = "Sorry, I could not hear you."
    idle: str = "Are you still there?"
    farewell: str = "Goodbye."
    intents: tuple[Intent, ...] = ()
    answers: tuple[Knowledge, ...] = ()
    script: tuple[str, ...] = ("hello", "what are your opening hours", "goodbye")


def load_persona(path: Path = DEFAULT_PERSONA) -> Persona:
    """Raises ``ConfigError`` that names the file and every mistake in it."""
    try:
        return Persona.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the persona {path}", remedy=f"check `persona`: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"the persona {path} is not valid YAML", remedy=str(error)) from error
    except ValidationError as error:
        mistakes = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False)
        )
        raise ConfigError(f"mistakes in the persona {path}", remedy=mistakes) from error
