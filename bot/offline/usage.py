"""Tokens: what a response would be billed for. Audio in: one token per 100 ms; out: one per 50 ms; text:
one per four characters (OpenAI's published rules, the last one a rule of thumb)."""

from collections.abc import Iterable
from dataclasses import dataclass

from bot.offline.config import Json, SessionConfig
from bot.offline.items import Item

MS_PER_TOKEN_IN = 100
MS_PER_TOKEN_OUT = 50


@dataclass(frozen=True)
class Usage:
    """Tokens that went into a response; cached ones, seen by an earlier response, are among them."""

    text: int = 0
    audio: int = 0
    cached_text: int = 0
    cached_audio: int = 0

    def wire(self, output: Iterable[Item]) -> Json:
        """The ``usage`` of response.done for a response that said ``output``."""
        output = list(output)
        audio = sum(-(-item.audio_ms // MS_PER_TOKEN_OUT) for item in output)
        text = sum(_text_tokens(item) for item in output)
        read = self.text + self.audio
        cached = {"text_tokens": self.cached_text, "audio_tokens": self.cached_audio, "image_tokens": 0}
        return {
            "total_tokens": read + text + audio,
            "input_tokens": read,
            "output_tokens": text + audio,
            "input_token_details": {
                "text_tokens": self.text,
                "audio_tokens": self.audio,
                "image_tokens": 0,
                "cached_tokens": self.cached_text + self.cached_audio,
                "cached_tokens_details": cached,
            },
            "output_token_details": {"text_tokens": text, "audio_tokens": audio},
        }


NO_USAGE = Usage()


def read(config: SessionConfig, context: Iterable[Item], before: Usage) -> Usage:
    """What a response with this context reads, when ``before`` was read by the one before it."""
    context = list(context)
    text = -(-len(config.instructions) // 4) + sum(map(_text_tokens, context))
    audio = sum(
        -(-item.audio_ms // (MS_PER_TOKEN_IN if item.role == "user" else MS_PER_TOKEN_OUT))
        for item in context
    )
    return Usage(text, audio, min(before.text, text), min(before.audio, audio))


def _text_tokens(item: Item) -> int:
    if item.role == "user" and item.audio_ms:
        return 0
    return -(-len(item.text + item.name + item.arguments + item.output) // 4)
