"""What the live API takes and gives, as pydantic models: they check requests and make the OpenAPI text."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1, max_length=2000)]
Name = Annotated[str, Field(min_length=1, max_length=100)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewCall(_Request):
    """Call somebody. The endpoint must fit a pattern of ``outbound.allow``."""

    endpoint: Annotated[str, Field(min_length=3, max_length=200, examples=["PJSIP/200"])]
    agent: Annotated[str, Field(max_length=100)] = ""
    variables: dict[Name, Annotated[str, Field(max_length=1000)]] = {}


class Hangup(_Request):
    """End the call at once, or after the agent has said something along the lines of ``say``."""

    say: Annotated[str, Field(max_length=2000)] = ""


class Transfer(_Request):
    """Send the caller to one of the configured destinations."""

    destination: Name


class Say(_Request):
    """The agent says this as soon as it is not speaking."""

    text: Text


class Instruct(_Request):
    """One more instruction for the agent, from now on."""

    text: Text


class Mute(_Request):
    """While muted the caller hears silence in the agent's place."""

    muted: Annotated[bool, Field(strict=True)]


class Accepted(BaseModel):
    """It is done, or under way; what came of it is in the call and its events."""

    id: str


class CallView(BaseModel):
    """A call, from its row: docs/records.md."""

    model_config = ConfigDict(extra="ignore")

    id: str
    direction: Literal["in", "out"] | None
    outcome: str
    started_at: float
    answered_at: float | None
    ended_at: float | None
    caller_number: str
    caller_name: str
    dialled_number: str
    answered_by: str | None
    agent: str | None
    ended_by: str | None
    reason: str | None
    transcript: list[dict[str, Any]] | None


class CallList(BaseModel):
    calls: list[CallView]


class Problem(BaseModel):
    """Why a request was not carried out, and what to do about it."""

    error: str
    remedy: str = ""
