"""One RTP packet, RFC 3550 section 5.1: bytes in, a checked packet out, and back."""

import struct
from typing import NamedTuple

from bot.errors import RtpError

HEADER_BYTES = 12
_HEADER = struct.Struct("!BBHII")


class RtpPacket(NamedTuple):
    """``payload`` is what the sender meant: without CSRC list, header extension and padding."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse(datagram: bytes) -> RtpPacket:
    """Raises RtpError for anything that is not a whole RTP packet. An empty payload is allowed (5.1)."""
    if len(datagram) < HEADER_BYTES:
        raise RtpError(f"{len(datagram)} bytes are shorter than an RTP header")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(datagram)
    if first >> 6 != 2:
        raise RtpError(f"RTP version {first >> 6} instead of 2")
    start, end = HEADER_BYTES, len(datagram)
    if first & 0x3F:  # rare on a phone line: padding, extension or CSRC
        start, end = _payload_bounds(datagram, first)
    return RtpPacket(second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, datagram[start:end])


def _payload_bounds(datagram: bytes, first: int) -> tuple[int, int]:
    start, end = HEADER_BYTES + 4 * (first & 0x0F), len(datagram)  # CC: identifiers of 32 bits (5.1)
    if first & 0x10:  # X: 16 bits of profile, then the length in words of 32 bits (5.3.1)
        if start + 4 > end:
            raise RtpError("RTP header extension beyond the end of the datagram")
        start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4], "big")
    if first & 0x20:  # P: the last byte counts the padding, itself included (5.1)
        padding = datagram[-1]
        if padding == 0:
            raise RtpError("RTP padding of length 0")
        end -= padding
    if start > end:
        raise RtpError("RTP header and padding longer than the datagram")
    return start, end


def pack(packet: RtpPacket) -> bytes:
    """The datagram: no padding, extension or CSRC."""
    return header(*packet[:-1]) + packet.payload


def header(payload_type: int, marker: bool, sequence: int, timestamp: int, ssrc: int) -> bytes:
    """What comes before the payload."""
    return _HEADER.pack(0x80, payload_type | marker << 7, sequence, timestamp, ssrc)
