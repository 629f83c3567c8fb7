"""``voicebot check --live``: asks Asterisk and the model, and says what it found."""

from bot.ari import AriClient
from bot.config.load import Loaded
from bot.errors import AriError
from bot.preflight import check_asterisk
from bot.provider import model_endpoint, try_model


async def examine(loaded: Loaded) -> None:
    """Prints a line for each thing that is well. Raises AriError or ModelError for the first that is not."""
    asterisk = loaded.settings.asterisk
    async with AriClient(
        asterisk.url,
        asterisk.username,
        asterisk.password.get_secret_value(),
        asterisk.app,
        on_event=lambda event: None,
    ) as ari:
        if findings := await check_asterisk(ari):
            raise AriError("; ".join(findings))
    print(f"Asterisk at {asterisk.url}: good.")
    async with model_endpoint(loaded) as where:
        await try_model(where, loaded.settings.openai)
    print(f"The model ({loaded.provider}): good.")
