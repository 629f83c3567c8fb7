"""The benchmark's own arithmetic: what it measures with must be right before what it measures can be."""

import base64
import json
import struct
from itertools import pairwise

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from bench import peer_model, timetable
from bench.bounds import verdicts
from bench.peer_callers import MARK, Caller
from bench.ramp import Row, why_stop
from bench.world import Step, latency
from bot.audio.g711 import ULAW
from bot.audio.resample import Upsampler
from bot.audio.vad import Vad, VadParams
from bot.rtp.packet import parse


def step(**changes: object) -> Step:
    even = {"p50": 20.0, "p95": 20.5, "p99": 21.0, "max": 22.0}
    values: dict[str, object] = {
        "calls": 200,
        "cpu": 0.2,
        "gap": even,
        "gap_setup": even,
        "lost": 0,
        "uplink": None,
        "downlink": None,
        "loop_late_ms": 1.0,
        "memory_mb": 0.1,
        "setup_p95_ms": 10.0,
        "waited": 0.0,
        "limits": (),
    }
    return Step(**{**values, **changes})  # type: ignore[arg-type]


def test_latency_pairs_each_with_the_next_of_its_own_call() -> None:
    sent = [(1, 10.0), (2, 10.0), (1, 11.0)]
    received = [(2, 10.005), (1, 10.010), (1, 11.030)]
    found = latency(sent, received)
    assert found is not None
    assert (found["p50"], found["max"]) == (10.0, 30.0)


def test_latency_of_what_never_came_is_not_made_up() -> None:
    assert latency([(1, 10.0)], [(2, 10.0)]) is None
    assert latency([(1, 10.0)], [(1, 9.0), (1, 11.0)]) is None


def test_nobody_talks_at_once() -> None:
    for index in range(10):
        begins = timetable.until_agent(index, 100.0, "half") + 100.0
        for ms in range(50, 8000, 100):
            talking = timetable.caller_talks(index, begins + ms / 1000, "half")
            assert talking == (timetable.CALLER_FROM_S <= ms / 1000 < timetable.CALLER_UNTIL_S)


def test_the_callers_voice_is_heard_and_the_quiet_line_is_not() -> None:
    def share(pcm: bytes) -> float:
        vad = Vad(VadParams())
        frames = [pcm[at : at + 320] for at in range(0, len(pcm), 320)]
        return sum(map(vad.process, frames)) / len(frames)

    assert share(timetable.voice(2.0, 8000)) > 0.8
    assert share(timetable.noise(2.0, 8000)) == 0


def test_a_callers_stream_is_whole() -> None:
    caller = Caller(3, ("127.0.0.1", 1))
    packets = [parse(caller.packet(100.0 + n / 50, "half")[0]) for n in range(200)]
    steps = {
        ((after.sequence - before.sequence) % 2**16, (after.timestamp - before.timestamp) % 2**32)
        for before, after in pairwise(packets)
    }
    assert steps == {(1, 160)}
    assert {len(packet.payload) for packet in packets} == {160}


class Wire:
    """What a ``peer_model.Session`` writes to."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data


def masked(message: bytes) -> bytes:
    return Frame(Opcode.TEXT, message).serialize(mask=True)


@pytest.mark.parametrize(("loud", "marks"), [(True, 1), (False, 0)])
async def test_a_mark_is_found_behind_resampler_base64_and_masking(loud: bool, marks: int) -> None:
    upsampler = Upsampler()
    voice = timetable.voice(0.02, 8000)
    upsampler.process(voice)
    audio = upsampler.process(ULAW.decode(MARK) if loud else voice)
    event = b'{"type":"input_audio_buffer.append","audio":"' + base64.b64encode(audio) + b'"}'
    desk = peer_model.Desk("half")
    session = peer_model.Session(desk)
    session._open = True
    data = masked(event)
    session.data_received(data[:700])
    session.data_received(data[700:])
    assert (desk.seen.appends, len(desk.seen.marks)) == (1, marks)


async def test_the_models_frames_are_those_of_rfc_6455() -> None:
    client = ClientProtocol(parse_uri("ws://127.0.0.1/"), max_size=None)
    session = peer_model.Session(peer_model.Desk("half"))
    wire = Wire()
    session.connection_made(wire)  # type: ignore[arg-type]
    client.send_request(client.connect())
    session.data_received(b"".join(client.data_to_send()))
    names = {"response_id": "resp_1"}
    session._burst(names, {"item_id": "item_1", "output_index": 0, "content_index": 0}, 1)
    client.receive_data(wire.data)
    frames = [event for event in client.events_received() if isinstance(event, Frame)]
    events = [json.loads(bytes(frame.data)) for frame in frames]
    kinds = [event["type"] for event in events]
    assert kinds[0] == "session.created"
    assert kinds.count("response.output_audio.delta") == peer_model.BURST_DELTAS
    assert kinds[-1] == "response.done"
    delta = next(event for event in events if event["type"] == "response.output_audio.delta")
    assert len(base64.b64decode(delta["delta"])) == peer_model.DELTA_MS * 48


def test_a_ramp_ends_with_a_gap_or_a_loss() -> None:
    assert not why_stop(step())
    assert "lost" in why_stop(step(lost=1))
    assert "gap" in why_stop(step(gap={"p50": 20.0, "p95": 25.0, "p99": 31.0, "max": 50.0}))


@pytest.mark.parametrize(("ratio", "kept"), [(1.4, True), (1.6, False)])
def test_only_the_ratio_binds(ratio: float, kept: bool) -> None:
    rows = {"lean": Row("lean", (step(cpu=9.0),), "")}
    found = verdicts(rows, ratio)
    assert [verdict.kept for verdict in found if verdict.binding] == [kept]
    assert any(not verdict.kept for verdict in found if not verdict.binding)


def test_the_mark_is_a_sample_that_no_voice_reaches() -> None:
    (value,) = struct.unpack_from("<h", ULAW.decode(MARK))
    assert value >= 1 << 14 > timetable.VOICE_PEAK
