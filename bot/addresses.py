"""Do the addresses of ``media.rtp`` fit the way to Asterisk? Asks this machine alone, and sends nothing."""

import ipaddress
import socket
from urllib.parse import urlsplit

from bot.config.settings import Rtp


def address_doubts(asterisk_url: str, rtp: Rtp) -> list[str]:
    """What would leave a call silent, a line each. A name that cannot be resolved is a doubt too; may block
    for as long as resolving takes."""
    host = urlsplit(asterisk_url).hostname or ""
    try:
        asterisk, external = _resolve(host), _resolve(rtp.external_host)
    except OSError as error:
        return [f"the address of Asterisk or media.rtp.external_host cannot be resolved ({error})"]
    ours = _source_towards(asterisk)
    if _is_own(asterisk):
        if _is_own(external):
            return []
        return [
            f"media.rtp.external_host {rtp.external_host} is no address of this machine, where Asterisk is"
            " too: set it to 127.0.0.1 (RTP_EXTERNAL_HOST)"
        ]
    doubts = []
    if _is_loopback(_resolve(rtp.bind)):
        doubts.append(
            f"media.rtp.bind is {rtp.bind}, where Asterisk at {host} cannot reach us:"
            f" set it to {ours} (RTP_BIND)"
        )
    if _is_loopback(external):
        doubts.append(
            f"media.rtp.external_host is {rtp.external_host}, so Asterisk at {host} sends the audio to itself"
            f": set it to {ours} (RTP_EXTERNAL_HOST)"
        )
    elif not _is_own(external) and rtp.source == "announced":
        doubts.append(
            f"media.rtp.external_host {rtp.external_host} is no address of this machine ({ours} is): right"
            f" only where NAT forwards UDP {rtp.ports} to us; if Asterisk is behind NAT"
            " too, set media.rtp.source to first"
        )
    return doubts


def _resolve(host: str) -> str:
    """A numeric address. Raises OSError."""
    return str(socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)[0][4][0])


def _udp(address: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)


def _source_towards(address: str) -> str:
    """The address of ours from which packets to ``address`` leave."""
    with _udp(address) as probe:
        try:
            probe.connect((address, 9))  # a route is looked up, nothing is sent
        except OSError:
            return "this machine's address as Asterisk sees it"
        return str(probe.getsockname()[0])


def _is_own(address: str) -> bool:
    with _udp(address) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback
