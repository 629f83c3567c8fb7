from hypothesis import given
from hypothesis import strategies as st

from bot.audio.framer import Framer


@given(st.lists(st.binary(max_size=1000), max_size=20))
def test_the_same_bytes_come_out_in_whole_frames(chunks: list[bytes]) -> None:
    framer = Framer(320)
    frames = [frame for chunk in chunks for frame in framer.push(chunk)]
    joined = b"".join(chunks)
    assert all(len(frame) == 320 for frame in frames)
    assert b"".join(frames) == joined[: len(joined) // 320 * 320]


def test_a_whole_frame_passes_untouched() -> None:
    frame = bytes(320)
    (out,) = Framer(320).push(frame)
    assert out is frame
