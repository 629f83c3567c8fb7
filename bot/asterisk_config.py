"""``voicebot asterisk-config``: the lines that an Asterisk needs for this bot, and which of them it has.

Reads Asterisk's files, never writes them: the lines are for a person to put in. See docs/existing-pbx.md.
"""

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from bot.asterisk_files import AsteriskFiles
from bot.asterisk_out import called_out, expression
from bot.call.leg import AMD_CONTEXT
from bot.config.settings import DIAL_CONTEXT, OUT_CONTEXT, Destination, Settings
from bot.preflight import MODULES

DIRECTORY = Path("/etc/asterisk")
EXIT_GOOD, EXIT_MISSING = 0, 3
NEEDED_MODULES = (*MODULES, "res_ari.so", "res_ari_events.so", "res_http_websocket.so")
PASSWORD_PLACE = "PASSWORD"
#: RTP and RTCP, for the phone and for the bot.
PORTS_PER_CALL = 4
CHANNEL_VARIABLES = (
    "VOICEBOT_CALL,VOICEBOT_AGENT,VOICEBOT_PORT,UNICASTRTP_LOCAL_ADDRESS,UNICASTRTP_LOCAL_PORT"
)
YES = frozenset({"yes", "true", "y", "t", "1", "on"})


class Block(NamedTuple):
    """Lines to add at the end of one of Asterisk's files."""

    file: str
    text: str


class Finding(NamedTuple):
    """Something looked at: ``good``, or to be put right."""

    good: bool
    file: str
    message: str


def main(
    settings: Settings,
    directory: Path | None = None,
    *,
    extension: str = "100",
    context: str = "",
    show_password: bool = False,
) -> int:
    """Prints the lines and, for a ``directory``, what was found there; returns the exit code.

    ``context`` is where phones dial; empty: the one that most of the directory's phones have.
    """
    files = AsteriskFiles(directory or DIRECTORY)
    for block in blocks(settings, files, extension, context, show_password=show_password):
        print(f"; ---------- add to the end of {files.directory / block.file}\n{block.text}")
    if directory is None:
        print("; Then, in Asterisk: core reload. With --directory this command checks what is there.")
        return EXIT_GOOD
    findings = list(examine(settings, files, extension))
    print(f"; ---------- found in {directory}")
    for finding in findings:
        print(f"; {'good   ' if finding.good else 'MISSING'} {finding.file}: {finding.message}")
    return EXIT_GOOD if all(finding.good for finding in findings) else EXIT_MISSING


# ---------------------------------------------------------------------------- what to add


def blocks(
    settings: Settings, files: AsteriskFiles, extension: str, context: str, *, show_password: bool
) -> list[Block]:
    """The lines for each file; where FreePBX writes the files, for those that it leaves to the operator."""
    freepbx = files.freepbx
    password = settings.asterisk.password.get_secret_value() if show_password else PASSWORD_PLACE
    where = context or ("from-internal-custom" if freepbx else files.phone_context or "from-internal")
    http, ari = _http(settings, files), _ari(settings, files, password)
    dialplan = _dialplan(settings, files, extension, where)
    if freepbx:
        # There the general sections are set on the page Advanced Settings; only the user is ours.
        user = ari.partition("\n\n")[2]
        return [Block("ari_additional_custom.conf", user), Block("extensions_custom.conf", dialplan)]
    return [Block("http.conf", http), Block("ari.conf", ari), Block("extensions.conf", dialplan)]


def _http(settings: Settings, files: AsteriskFiles) -> str:
    url = urlsplit(settings.asterisk.url)
    bind = url.hostname if _is_loopback(url.hostname) else "0.0.0.0"
    return (
        f"{files.header('http.conf', 'general')}\n"
        "enabled = yes\n"
        f"bindaddr = {'127.0.0.1' if bind == 'localhost' else bind}\n"
        f"bindport = {url.port or 8088}\n"
        "sessionlimit = 500\n"
    )


def _ari(settings: Settings, files: AsteriskFiles, password: str) -> str:
    note = "   ; the one of asterisk.password (ARI_PASSWORD)" if password == PASSWORD_PLACE else ""
    return (
        f"{files.header('ari.conf', 'general')}\n"
        "enabled = yes\n"
        "; carried by every channel in ARI's answers, so that a restarted bot knows its calls again\n"
        f"channelvars = {CHANNEL_VARIABLES}\n"
        "\n"
        f"{files.header('ari.conf', settings.asterisk.username)}\n"
        "type = user\n"
        "read_only = no\n"
        f"password = {password}{note}\n"
    )


def _dialplan(settings: Settings, files: AsteriskFiles, extension: str, context: str) -> str:
    file = "extensions_custom.conf" if files.freepbx else "extensions.conf"
    return (
        (
            f"; where your phones dial\n{files.header(file, context)}\n"
            "include => voicebot\n"
            "\n"
            f"{files.header(file, 'voicebot')}\n"
            f"exten => {extension},1,Stasis({settings.asterisk.app})\n"
            "; the call comes here when the bot is away or full (VOICEBOT_REFUSED says why)\n"
            " same => n,Congestion(5)\n"
            " same => n,Hangup()\n"
        )
        + (_amd(files, file) if settings.outbound.amd else "")
        + called_out(settings, files.header(file, OUT_CONTEXT))
        + dialled(settings, files.header(file, DIAL_CONTEXT))
    )


def _amd(files: AsteriskFiles, file: str) -> str:
    return (
        "\n; outbound.amd: Asterisk listens to whoever answered (amd.conf), and tells the bot\n"
        f"{files.header(file, AMD_CONTEXT)}\n"
        "exten => s,1,AMD()\n"
        " same => n,Stasis(${VOICEBOT_APP},amd,${AMDSTATUS},${AMDCAUSE})\n"
        " same => n,Hangup()\n"
    )


def dialled(settings: Settings, header: str) -> str:
    """The destinations that have ``dial``, by name; empty when there are none."""
    lines = [
        f"exten => {name},1,{_dial(place)}\n same => n,Hangup(${{HANGUPCAUSE}})\n"
        for name, place in settings.destinations.items()
        if place.dial is not None
    ]
    if not lines:
        return ""
    return (
        f"\n; whom the agent may have called; whatever else is asked for, Asterisk refuses\n{header}\n"
        f"{''.join(lines)}"
        "exten => i,1,Log(WARNING,refused to dial ${INVALID_EXTEN})\n"
        " same => n,Hangup(21)\n"
    )


def _dial(place: Destination) -> str:
    return f"Dial({place.dial},{place.ring_timeout})"


# ---------------------------------------------------------------------------- what is there


def examine(settings: Settings, files: AsteriskFiles, extension: str) -> Iterator[Finding]:
    """Everything the lines above bring about, however it was written, and what may be in the way."""
    if not files.exists("asterisk.conf") and not files.exists("modules.conf"):
        yield Finding(
            False, "", f"{files.directory} holds no configuration of Asterisk: name another --directory"
        )
        return
    yield from _examine_http(settings, files)
    yield from _examine_ari(settings, files)
    yield from _examine_modules(files)
    yield from _examine_dialplan(settings, files, extension)
    yield from _examine_rtp(settings, files)
    yield from _examine_addresses(files)


def _examine_http(settings: Settings, files: AsteriskFiles) -> Iterator[Finding]:
    url = urlsplit(settings.asterisk.url)
    general = files.section("http.conf", "general")
    if url.scheme == "https":
        enabled = _yes(general.get("tlsenable"))
        yield Finding(
            enabled, "http.conf", f"{'tlsenable is on' if enabled else 'set tlsenable = yes'}, for https"
        )
        return
    if not _yes(general.get("enabled")):
        yield Finding(False, "http.conf", "the web server is off: set enabled = yes")
        return
    address, port = general.get("bindaddr", "0.0.0.0"), general.get("bindport", "8088")
    if port != str(url.port or 80):
        yield Finding(False, "http.conf", f"listens on port {port}, but asterisk.url says {url.port or 80}")
    elif not _reaches(url.hostname or "", address):
        yield Finding(False, "http.conf", f"listens on {address}, but asterisk.url says {url.hostname}")
    else:
        yield Finding(True, "http.conf", f"listens on {address}:{port}")


def _examine_ari(settings: Settings, files: AsteriskFiles) -> Iterator[Finding]:
    name = settings.asterisk.username
    # ARI is on unless it is switched off.
    if not _yes(files.section("ari.conf", "general").get("enabled", "yes")):
        yield Finding(False, "ari.conf", "ARI is off: set enabled = yes in [general]")
    user = files.section("ari.conf", name)
    if user.get("type") != "user":
        yield Finding(False, "ari.conf", f"there is no user [{name}] with type = user")
    elif _yes(user.get("read_only")):
        yield Finding(False, "ari.conf", f"[{name}] may only read: set read_only = no")
    elif user.get("password_format", "plain") != "plain":
        yield Finding(True, "ari.conf", f"[{name}] is there; its password is hashed, so it was not compared")
    elif user.get("password", "") != settings.asterisk.password.get_secret_value():
        yield Finding(False, "ari.conf", f"the password of [{name}] is not asterisk.password (ARI_PASSWORD)")
    else:
        yield Finding(True, "ari.conf", f"[{name}] is there, with the password that the bot has")


def _examine_modules(files: AsteriskFiles) -> Iterator[Finding]:
    entries = files.entries("modules.conf", "modules")
    named = {
        kind: {value.removesuffix(".so") for key, value in entries if key in keys}
        for kind, keys in {"load": {"load", "require", "preload"}, "noload": {"noload"}}.items()
    }
    autoload = _yes(dict(entries).get("autoload", "yes"))
    absent = [
        module
        for module in NEEDED_MODULES
        if module.removesuffix(".so") in named["noload"]
        or (not autoload and module.removesuffix(".so") not in named["load"])
    ]
    if absent:
        yield Finding(False, "modules.conf", f"does not load {', '.join(absent)}")
    else:
        yield Finding(True, "modules.conf", "loads what calls to the bot need")


def _examine_dialplan(settings: Settings, files: AsteriskFiles, extension: str) -> Iterator[Finding]:
    app = settings.asterisk.app
    # Arguments may follow the name.
    calls_us = re.compile(rf"(?i)\bStasis\(\s*{re.escape(app)}\s*[,)]")
    serving = [name for name in files.sections("extensions.conf") if _matches(files, name, calls_us)]
    if serving:
        yield Finding(
            True, "extensions.conf", f"Stasis({app}) is in {', '.join(f'[{name}]' for name in serving)}"
        )
    else:
        yield Finding(
            False, "extensions.conf", f"no extension goes to Stasis({app}), so nobody can dial {extension}"
        )
    phones = files.phone_context
    if serving and phones and phones not in serving and not set(serving) & files.included(phones):
        yield Finding(
            False, "extensions.conf", f"[{phones}], where phones dial, does not include [{serving[0]}]"
        )
    if settings.outbound.amd and AMD_CONTEXT not in files.sections("extensions.conf"):
        yield Finding(False, "extensions.conf", f"outbound.amd: there is no context [{AMD_CONTEXT}]")
    yield from _examine_out(settings, files)
    for name, place in settings.destinations.items():
        context = place.place(name)[0]
        if context not in files.sections("extensions.conf"):
            yield Finding(False, "extensions.conf", f"destinations.{name}: there is no context [{context}]")
        elif place.dial is not None and not _matches(files, context, _dials(name, place.dial)):
            message = f"destinations.{name}: [{context}] does not dial {place.dial} for it"
            yield Finding(False, "extensions.conf", message)


def _examine_out(settings: Settings, files: AsteriskFiles) -> Iterator[Finding]:
    lines = [value for _, value in files.entries("extensions.conf", OUT_CONTEXT)]
    for pattern in settings.outbound.allow:
        if not any(f'"{expression(pattern)}"' in line for line in lines):
            yield Finding(
                False, "extensions.conf", f"outbound.allow: [{OUT_CONTEXT}] does not know {pattern}"
            )


def _examine_rtp(settings: Settings, files: AsteriskFiles) -> Iterator[Finding]:
    general = files.section("rtp.conf", "general")
    first, last = int(general.get("rtpstart", 5000)), int(general.get("rtpend", 31000))
    ours = settings.media.rtp
    low, high = map(int, ours.ports.split("-"))
    theirs = f"Asterisk's ports {first}-{last}"
    room, wanted = (last - first + 1) // PORTS_PER_CALL, settings.calls.max_calls
    if room < wanted:
        message = f"{theirs} are enough for {room} calls, but calls.max_calls is {wanted}"
        remedy = f"widen them ({PORTS_PER_CALL} for each call), or lower calls.max_calls"
        yield Finding(False, "rtp.conf", f"{message}: {remedy}")
    if _is_loopback(ours.external_host) and first <= low and high <= last:
        # Each steps over what the other holds, so sharing a few is harmless; sharing all is not.
        remedy = f"set media.rtp.ports (RTP_PORTS) to others, or rtpend below {low}"
        yield Finding(False, "rtp.conf", f"{theirs} hold all of media.rtp.ports {ours.ports}: {remedy}")
    else:
        yield Finding(True, "rtp.conf", f"{theirs} leave room for media.rtp.ports {ours.ports}")


def _examine_addresses(files: AsteriskFiles) -> Iterator[Finding]:
    """What phones outside are told, where this PBX is behind NAT."""
    for section in files.read("pjsip.conf"):
        transport = dict(section.entries)
        if transport.get("type") != "transport" or section.template:
            continue
        signalling, media = (transport.get(f"external_{what}_address") for what in ("signaling", "media"))
        where = f"[{section.name}]"
        if not signalling and not media:
            message = f"{where} names no external address: right unless this PBX is behind NAT"
            yield Finding(True, "pjsip.conf", f"{message} (docs/existing-pbx.md)")
        elif not signalling or not media:
            missing = "external_signaling_address" if media else "external_media_address"
            yield Finding(
                False, "pjsip.conf", f"{where} has one external address of two: set {missing} as well"
            )
        elif not transport.get("local_net"):
            message = f"{where} has external addresses for every phone: set local_net for those inside"
            yield Finding(False, "pjsip.conf", f"{message}, this PBX's own network among them")
        elif private := next((one for one in (signalling, media) if _is_private(one)), ""):
            message = f"{where}: {private} is a private address, which phones outside do not reach"
            yield Finding(False, "pjsip.conf", f"{message}: set the address that NAT has outside")
        else:
            yield Finding(True, "pjsip.conf", f"{where} tells phones outside {signalling}, media {media}")


def _is_private(address: str) -> bool:
    """A network of one's own (RFC 1918, or this machine); a name is taken for a public one."""
    networks = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8")
    return _is_address(address) and any(
        ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in networks
    )


def _dials(name: str, dial: str) -> re.Pattern[str]:
    """The operator's own options of ``Dial`` may follow."""
    return re.compile(rf"(?i)^{name}\s*,\s*1\s*,\s*Dial\({re.escape(dial)}[,)]")


def _matches(files: AsteriskFiles, section: str, pattern: re.Pattern[str]) -> bool:
    return any(pattern.search(value) for _, value in files.entries("extensions.conf", section))


def _yes(value: str | None) -> bool:
    return (value or "").lower() in YES


def _is_loopback(host: str | None) -> bool:
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


def _reaches(host: str, bound: str) -> bool:
    """Whether a server bound to ``bound`` is found at ``host``; a name may be any address but loopback."""
    if bound in ("0.0.0.0", "::", "[::]", "", host):
        return True
    return _is_loopback(bound) == _is_loopback(host) and (_is_loopback(bound) or not _is_address(host))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
