"""``voicebot check --live``: asks Asterisk and the model, tries the audio, and says what it found."""

import asyncio
import os
import sys

from bot.addresses import address_doubts
from bot.ari import AriClient
from bot.config.load import Loaded
from bot.config.settings import Settings
from bot.errors import AriError
from bot.media_trial import MediaTrial
from bot.preflight import check_asterisk
from bot.provider import model_endpoint, try_model

CONNECT_WITHIN_S = 5.0


async def examine(loaded: Loaded) -> None:
    """Prints a line for each thing that is well. Raises AriError, ModelError or ResourceError for the first
    that is not."""
    await _examine_asterisk(loaded.settings)
    async with model_endpoint(loaded) as where:
        await try_model(where, loaded.settings.openai)
    print(f"The model ({loaded.provider}): good.")


async def _examine_asterisk(settings: Settings) -> None:
    asterisk, rtp = settings.asterisk, settings.media.rtp
    trial = MediaTrial(rtp)
    async with AriClient(
        asterisk.url,
        asterisk.username,
        asterisk.password.get_secret_value(),
        # An app of its own: a bot that is serving calls keeps its own.
        f"{asterisk.app}-check-{os.getpid()}",
        on_event=trial.on_event,
    ) as ari:
        if findings := await check_asterisk(ari, settings):
            raise AriError("; ".join(findings))
        print(f"Asterisk at {asterisk.url}: good.")
        for doubt in await asyncio.to_thread(address_doubts, asterisk.url, rtp):
            print(f"warning: {doubt}", file=sys.stderr)
        listening = asyncio.create_task(ari.run())
        try:
            await ari.wait_connected(CONNECT_WITHIN_S)
            await trial.run(ari)
        finally:
            listening.cancel()
            await asyncio.wait([listening])
    print(f"Audio to Asterisk and back, {rtp.bind} as {rtp.external_host}: good.")
