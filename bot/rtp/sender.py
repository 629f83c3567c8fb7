"""The RTP stream we send: one header after another, so that sequence and timestamp never jump."""

from bot.rtp.packet import header
from bot.rtp.serial import SEQUENCE_MODULUS, TIMESTAMP_MODULUS


class RtpSender:
    """G.711: one byte of payload is one tick of the 8 kHz timestamp (RFC 3551 section 4.5.14).

    The starting values should be random (RFC 3550 section 5.1); after a restart they continue the old stream.
    """

    def __init__(self, payload_type: int, ssrc: int, sequence: int, timestamp: int) -> None:
        self.payload_type = payload_type
        self.ssrc = ssrc
        self.sequence = sequence % SEQUENCE_MODULUS
        self.timestamp = timestamp % TIMESTAMP_MODULUS
        """Of the next packet."""

    def packet(self, payload: bytes, marker: bool = False) -> bytes:
        """The next datagram. ``marker``: the first frame after a silence (RFC 3551 section 4.1)."""
        datagram = header(self.payload_type, marker, self.sequence, self.timestamp, self.ssrc) + payload
        self.sequence = (self.sequence + 1) % SEQUENCE_MODULUS
        self.skip(len(payload))
        return datagram

    def skip(self, samples: int) -> None:
        """Time that passes without a packet: the timestamp advances, the sequence does not."""
        self.timestamp = (self.timestamp + samples) % TIMESTAMP_MODULUS
