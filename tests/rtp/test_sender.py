from bot.rtp.packet import parse
from bot.rtp.sender import RtpSender


def test_sequence_and_timestamp_follow_the_payload_across_the_wrap() -> None:
    sender = RtpSender(payload_type=0, ssrc=5, sequence=65535, timestamp=2**32 - 160)
    packets = [parse(sender.packet(bytes(n), marker=n == 80)) for n in (160, 80, 240)]
    assert [p.sequence for p in packets] == [65535, 0, 1]
    assert [p.timestamp for p in packets] == [2**32 - 160, 0, 80]
    assert [p.marker for p in packets] == [False, True, False]
    assert {(p.ssrc, p.payload_type) for p in packets} == {(5, 0)}


def test_time_without_packets_moves_only_the_timestamp() -> None:
    sender = RtpSender(0, 5, 10, 1000)
    sender.skip(2**32 + 320)
    packet = parse(sender.packet(b"x"))
    assert (packet.sequence, packet.timestamp) == (10, 1320)


def test_starting_values_of_any_size_are_wrapped() -> None:
    packet = parse(RtpSender(8, 1, 2**16 + 3, 2**32 + 4).packet(b""))
    assert (packet.sequence, packet.timestamp) == (3, 4)
