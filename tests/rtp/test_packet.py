import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import RtpError
from bot.rtp.packet import RtpPacket, pack, parse

PACKET = RtpPacket(
    payload_type=8, marker=True, sequence=65535, timestamp=2**32 - 1, ssrc=0xDEADBEEF, payload=b"abc"
)


def datagram(first: int, *, after: bytes = b"") -> bytes:
    return struct.pack("!BBHII", first, 0, 7, 160, 1) + after


@given(
    st.builds(
        RtpPacket,
        payload_type=st.integers(0, 127),
        marker=st.booleans(),
        sequence=st.integers(0, 2**16 - 1),
        timestamp=st.integers(0, 2**32 - 1),
        ssrc=st.integers(0, 2**32 - 1),
        payload=st.binary(max_size=480),
    )
)
def test_round_trip(packet: RtpPacket) -> None:
    assert parse(pack(packet)) == packet


def test_bytes_on_the_wire() -> None:
    assert pack(PACKET) == bytes.fromhex("80 88 ffff ffffffff deadbeef") + b"abc"


def test_csrc_list_is_skipped() -> None:
    assert parse(datagram(0x82, after=b"\1\1\1\1\2\2\2\2voice")).payload == b"voice"


def test_header_extension_is_skipped() -> None:
    assert parse(datagram(0x90, after=b"\xbe\xde\0\1wordvoice")).payload == b"voice"


def test_padding_is_cut() -> None:
    assert parse(datagram(0xA0, after=b"voice\0\0\3")).payload == b"voice"


def test_everything_at_once() -> None:
    assert (
        parse(datagram(0xB1, after=b"csrc" + b"\xbe\xde\0\2twowords" + b"voice" + b"\0\2")).payload
        == b"voice"
    )


def test_an_empty_payload_is_a_packet() -> None:
    assert parse(datagram(0x80)).payload == b""


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"", "shorter"),
        (datagram(0x80)[:11], "shorter"),
        (datagram(0x40, after=b"voice"), "version 1"),
        (datagram(0x81, after=b"abc"), "longer than"),
        (datagram(0x90, after=b"abc"), "extension beyond"),
        (datagram(0x90, after=b"\xbe\xde\xff\xffabc"), "longer than"),
        (datagram(0xA0, after=b"voice\0"), "padding of length 0"),
        (datagram(0xA0, after=b"voice\x09"), "longer than"),
        (b"INVITE sip:bot@example.org SIP/2.0", "version 1"),
    ],
)
def test_what_is_not_rtp_says_why(bad: bytes, why: str) -> None:
    with pytest.raises(RtpError, match=why):
        parse(bad)


@given(st.binary(max_size=64))
def test_any_bytes_parse_or_raise_rtp_error(data: bytes) -> None:
    try:
        packet = parse(data)
    except RtpError:
        return
    assert packet.payload in data
