"""A greeting that was recorded: read once, when the configuration is checked, and kept."""

import wave
from functools import cache

from bot.errors import ConfigError

RATE_HZ = 8000
LONGEST_S = 60
WANTED = (RATE_HZ, 1, 16)


@cache
def read_greeting(path: str) -> bytes:
    """PCM16, mono, 8 kHz. Raises ConfigError, one line, for a file that is not that."""
    convert = f"convert it: sox {path} -r {RATE_HZ} -c 1 -b 16 -e signed OUT.wav"
    try:
        with wave.open(path, "rb") as file:
            found = file.getframerate(), file.getnchannels(), 8 * file.getsampwidth()
            pcm = file.readframes(LONGEST_S * RATE_HZ + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})") from None
    except (wave.Error, EOFError) as error:
        raise ConfigError(f"{path} is no WAV file of PCM ({error or 'too short'})", remedy=convert) from None
    if found != WANTED:
        message = "{} has {} Hz, {} channels, {} bits; {} Hz, {} channel, {} bits are wanted"
        raise ConfigError(message.format(path, *found, *WANTED), remedy=convert)
    if not 0 < len(pcm) <= 2 * LONGEST_S * RATE_HZ:
        raise ConfigError(f"{path} is empty, or longer than {LONGEST_S} s")
    return pcm
