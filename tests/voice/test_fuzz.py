"""Whatever datagrams come, whenever: the uplink raises nothing, and the model's clock stays with ours."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.fuzz_rtp import BYTES_PER_S, new_uplink
from bot.audio.gate import HELD_FRAMES
from bot.rtp.packet import RtpPacket, pack

TICK_S = 0.02
headers = st.builds(
    RtpPacket,
    payload_type=st.sampled_from([0, 0, 0, 8, 101]),
    marker=st.booleans(),
    sequence=st.integers(0, 50) | st.integers(0, 2**16 - 1),
    timestamp=st.integers(0, 50).map(lambda n: 160 * n) | st.integers(0, 2**32 - 1),
    ssrc=st.integers(0, 1) | st.integers(0, 2**32 - 1),
    payload=st.sampled_from([80, 160, 160, 160, 480]).map(bytes) | st.binary(max_size=200),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.binary(max_size=40) | headers.map(pack), max_size=3), max_size=60), st.data())
def test_anything_in_any_order(ticks: list[list[bytes]], data: st.DataObject) -> None:
    uplink = new_uplink()
    now = emitted = 0.0
    for datagrams in ticks:
        now += TICK_S
        for datagram in datagrams:
            emitted += len(uplink.datagram(datagram, now)) / BYTES_PER_S
        turn = data.draw(st.sampled_from([None, None, uplink.open_gate, uplink.close_gate, uplink.hold_gate]))
        if turn:
            turn()
        emitted += len(uplink.tick(now)) / BYTES_PER_S
        assert -2 <= now - emitted <= 2 + TICK_S * HELD_FRAMES
