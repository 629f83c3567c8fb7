"""The RTP socket on loopback: whose packets it takes, and where its own go."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Literal

import pytest
import uvloop

from bot.errors import ResourceError
from bot.media.rtp import AT_ONCE, PortPool, RtpSocket, open_rtp

HOST = "127.0.0.1"


@pytest.fixture
def peers() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two far ends: the one Asterisk announces, and another."""
    made = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for peer in made:
        peer.bind((HOST, 0))
        peer.settimeout(2)
    yield made[0], made[1]
    for peer in made:
        peer.close()


class Opened:
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.pool = PortPool(31000, 31199)
        self.socket: RtpSocket | None = None

    def open(self, source: Literal["announced", "first"]) -> RtpSocket:
        self.socket = open_rtp(self.pool, HOST, source, self.heard.append)
        return self.socket


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    given = Opened()
    yield given
    if given.socket is not None:
        given.socket.close()


async def deliver(peer: socket.socket, target: RtpSocket, data: bytes) -> None:
    peer.sendto(data, (HOST, target.port))
    await asyncio.sleep(0.05)


async def test_only_the_announced_source_is_believed(
    opened: Opened, peers: tuple[socket.socket, socket.socket]
) -> None:
    announced, stranger = peers
    ours = opened.open("announced")
    await deliver(announced, ours, b"too early")
    ours.announce(announced.getsockname())
    await deliver(announced, ours, b"voice")
    await deliver(stranger, ours, b"intruder")
    assert opened.heard == [b"voice"]
    assert ours.rejected == 2
    ours.send(b"back")
    assert announced.recv(100) == b"back"


async def test_the_first_source_is_believed_and_kept(
    opened: Opened, peers: tuple[socket.socket, socket.socket], capsys: pytest.CaptureFixture[str]
) -> None:
    announced, behind_nat = peers
    ours = opened.open("first")
    ours.announce(announced.getsockname())
    await deliver(behind_nat, ours, b"voice")
    await deliver(announced, ours, b"intruder")
    assert opened.heard == [b"voice"]
    ours.send(b"back")
    assert behind_nat.recv(100) == b"back"
    output = capsys.readouterr()
    text = output.out + output.err
    assert str(announced.getsockname()[1]) in text
    assert str(behind_nat.getsockname()[1]) in text


async def test_ports_are_even_and_come_back(opened: Opened) -> None:
    before = opened.pool.free
    ours = opened.open("announced")
    assert ours.port % 2 == 0
    assert opened.pool.free == before - 1
    ours.close()
    ours.close()
    assert opened.pool.free == before


async def test_a_taken_port_is_passed_over() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind((HOST, 0))
        port = holder.getsockname()[1] // 2 * 2
        if port != holder.getsockname()[1]:
            holder.close()
            return await test_a_taken_port_is_passed_over()
        pool = PortPool(port, port + 1)
        with pytest.raises(ResourceError, match="no free UDP port"):
            open_rtp(pool, HOST, "announced", lambda data: None)
        assert pool.free == 1
    return None


def test_a_taken_port_is_passed_over_on_the_loop_of_the_service_too() -> None:
    uvloop.run(test_a_taken_port_is_passed_over())


async def test_a_fault_of_one_call_leaves_the_others_heard(
    opened: Opened, peers: tuple[socket.socket, socket.socket], capsys: pytest.CaptureFixture[str]
) -> None:
    def fault(data: bytes) -> None:
        raise RuntimeError("of this call")

    ours, faulty = opened.open("first"), open_rtp(opened.pool, HOST, "first", fault)
    for _ in range(2):
        peers[0].sendto(b"voice", (HOST, faulty.port))
        await deliver(peers[0], ours, b"voice")
    faulty.close()
    assert opened.heard == [b"voice"] * 2
    output = capsys.readouterr()
    assert (output.out + output.err).count("RuntimeError: of this call") == 2


async def test_a_round_reads_more_than_comes_in_one(
    opened: Opened, peers: tuple[socket.socket, socket.socket]
) -> None:
    ours = opened.open("first")
    queued = [f"voice {n}".encode() for n in range(AT_ONCE)]
    for data in queued:
        peers[0].sendto(data, (HOST, ours.port))
    for _ in range(3):
        await asyncio.sleep(0)
    assert AT_ONCE > 1
    assert opened.heard == queued


async def test_a_packet_may_end_another_call(
    opened: Opened, peers: tuple[socket.socket, socket.socket]
) -> None:
    pair: list[RtpSocket] = []
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))

    def end_both(data: bytes) -> None:
        opened.heard.append(data)
        for one in pair:
            one.close()

    pair += [open_rtp(opened.pool, HOST, "first", end_both) for _ in range(2)]
    for one in pair:
        peers[0].sendto(b"voice", (HOST, one.port))
    await asyncio.sleep(0.05)
    assert opened.heard == [b"voice"]
    await deliver(peers[0], opened.open("first"), b"later")  # the next call is read again
    assert opened.heard == [b"voice", b"later"]
    assert not faults


async def test_running_out_says_what_to_do(opened: Opened) -> None:
    pool = PortPool(31200, 31201)
    first = open_rtp(pool, HOST, "announced", lambda data: None)
    with pytest.raises(ResourceError, match=r"media\.rtp\.ports"):
        open_rtp(pool, HOST, "announced", lambda data: None)
    first.close()
