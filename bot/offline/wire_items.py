"""Conversation items as clients may send them, in both dialects; see ``wire``."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ItemBase(Wire):
    id: Annotated[str, Field(min_length=1)] | None = None
    object: Literal["realtime.item"] | None = None
    status: Literal["completed", "incomplete", "in_progress"] | None = None


class SystemContent(Wire):
    type: Literal["input_text"]
    text: str


class UserContent(Wire):
    type: Literal["input_text", "input_audio", "input_image"]
    text: str | None = None
    audio: str | None = None
    transcript: str | None = None
    image_url: str | None = None
    detail: Literal["auto", "low", "high"] | None = None


class GaAgentContent(Wire):
    type: Literal["output_text", "output_audio"]
    text: str | None = None
    audio: str | None = None
    transcript: str | None = None


class BetaAgentContent(Wire):
    type: Literal["text", "audio"]
    text: str | None = None
    audio: str | None = None
    transcript: str | None = None


class SystemMessage(ItemBase):
    type: Literal["message"]
    role: Literal["system"]
    content: list[SystemContent]


class UserMessage(ItemBase):
    type: Literal["message"]
    role: Literal["user"]
    content: list[UserContent]


class GaAgentMessage(ItemBase):
    type: Literal["message"]
    role: Literal["assistant"]
    content: list[GaAgentContent]


class BetaAgentMessage(ItemBase):
    type: Literal["message"]
    role: Literal["assistant"]
    content: list[BetaAgentContent]


class FunctionCall(ItemBase):
    type: Literal["function_call"]
    name: str
    arguments: str
    call_id: str | None = None


class FunctionCallOutput(ItemBase):
    type: Literal["function_call_output"]
    call_id: str
    output: str


class ItemReference(Wire):
    type: Literal["item_reference"]
    id: str


_GaMessage = Annotated[SystemMessage | UserMessage | GaAgentMessage, Field(discriminator="role")]
_BetaMessage = Annotated[SystemMessage | UserMessage | BetaAgentMessage, Field(discriminator="role")]
GaItem = Annotated[_GaMessage | FunctionCall | FunctionCallOutput, Field(discriminator="type")]
BetaItem = Annotated[_BetaMessage | FunctionCall | FunctionCallOutput, Field(discriminator="type")]
GaInputItem = Annotated[
    _GaMessage | FunctionCall | FunctionCallOutput | ItemReference, Field(discriminator="type")
]
BetaInputItem = Annotated[
    _BetaMessage | FunctionCall | FunctionCallOutput | ItemReference, Field(discriminator="type")
]
