"""Is this Asterisk fit for calls? Asked at start and by ``voicebot check --live``."""

import re

from bot.ari import AriClient
from bot.config.settings import DIAL_CONTEXT, OUT_CONTEXT, Settings
from bot.errors import AriError, AriRefused

#: ExternalMedia came with 16.6.
OLDEST = (16, 6)
MODULES = {
    "app_stasis.so": "the dialplan cannot hand calls to the bot",
    "chan_rtp.so": "there is no ExternalMedia",
    "res_stasis.so": "there is no Stasis",
    "bridge_simple.so": "a bridge of two carries no audio",
    "res_ari_channels.so": "channels cannot be controlled",
    "res_ari_bridges.so": "bridges cannot be made",
}


async def check_asterisk(ari: AriClient, settings: Settings) -> list[str]:
    """What is missing; empty when all is there. Raises AriError when Asterisk does not answer."""
    try:
        info = await ari.asterisk.get_info()
    except AriRefused as error:
        if error.status != 404:
            raise
        raise AriError(
            "a web server answers, but it has no ARI",
            remedy="compare asterisk.url (ARI_URL) with bindport in http.conf; in ari.conf set enabled=yes",
        ) from error
    version = str(info.get("system", {}).get("version", ""))
    findings = []
    numbers = re.search(r"(\d+)\.(\d+)", version)
    if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST:
        findings.append(f"Asterisk {version} is too old: ExternalMedia needs 16.6 or newer, so upgrade it")
    running = {module.name for module in await ari.asterisk.list_modules() if module.status == "Running"}
    findings += [
        f"Asterisk has not loaded {name}, so {why}: load it in modules.conf"
        for name, why in MODULES.items()
        if name not in running
    ]
    findings += [
        f"destinations.{name}: [{DIAL_CONTEXT}] of the dialplan has no extension {name}: "
        "`voicebot asterisk-config` prints it"
        for name, place in settings.destinations.items()
        if place.dial is not None and not await _dialplan_has(ari, name, DIAL_CONTEXT)
    ]
    if settings.outbound.allow and not await _dialplan_has(ari, "s", OUT_CONTEXT):
        findings.append(
            f"outbound.allow: the dialplan has no [{OUT_CONTEXT}], so nobody can be called: "
            "`voicebot asterisk-config` prints it"
        )
    return findings


async def _dialplan_has(ari: AriClient, name: str, context: str) -> bool:
    """Asked by way of a device state: it is valid where the extension exists, and nothing is dialled."""
    try:
        return await ari.device_states.get(f"Local/{name}@{context}") != "INVALID"
    except AriRefused:
        return True  # this Asterisk has no device states to ask for
