"""A phone behind NAT, a PBX behind another, and the bot on another host: spoken calls, heard both ways.

    python -m tests.deploy.nat

    phone ── NAT 203.0.113.2 ── 203.0.113.1 NAT ── PBX ── bot
                                 198.51.100.1 ┘
                                              └ 198.51.100.2 NAT ── the other bot

Every machine is a network namespace; this process stands on the PBX, whose NAT forwards SIP, RTP and ARI.
The other bot is behind a NAT of its own, and Asterisk tells it an address that it cannot reach.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from tests.deploy.steps import need_root, run, step
from tests.e2e.asterisk import PROJECT, Asterisk, HarnessError, wait_for

APART = "VOICEBOT_TEST_APART"
PBX_TO_BOT, BOT = "10.77.0.1", "10.77.0.2"
PBX, GATE_INSIDE = "10.88.0.2", "10.88.0.1"
GATE_OUTSIDE, NAT_OUTSIDE = "203.0.113.1", "203.0.113.2"
NAT_INSIDE, PHONE = "192.168.77.1", "192.168.77.2"
GATE_TO_BOT, BOT_NAT = "198.51.100.1", "198.51.100.2"
BOT_NAT_INSIDE, FAR_BOT = "10.99.0.1", "10.99.0.2"
SIP_PORT, RTP, BOT_RTP = 5060, "10000-10199", "20000-21999"
READY_SECONDS = 60.0


class OutsideAsterisk(Asterisk):
    """Phones know it by its NAT's address, and the bot reaches its ARI from another host."""

    def __init__(self) -> None:
        super().__init__(address="0.0.0.0", sip_port=SIP_PORT, http_port=8088)

    def configure(self) -> None:
        command: list[str | Path] = [PROJECT / "asterisk" / "configure", "--out", self.config]
        command += ["--state", self.folder / "state", "--sip-port", str(SIP_PORT), "--rtp", RTP]
        command += ["--http-bind", "0.0.0.0", "--external", GATE_OUTSIDE]
        for net in ("10.77.0.0/24", "10.88.0.0/24"):
            command += ["--local-net", net]
        run(command)


class Net:
    """The other machines, by name; their namespaces are gone after ``close``."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.cables = 0

    def machine(self, name: str) -> str:
        full = f"vb{os.getpid()}{name}"
        run(["ip", "netns", "add", full])
        self.names.append(full)
        run(["ip", "-n", full, "link", "set", "lo", "up"])
        return full

    def cable(self, one: str, address: str, other: str, other_address: str) -> None:
        """Joins two machines; an empty name is this one."""
        self.cables += 1
        here, there = f"near{self.cables}", f"far{self.cables}"
        in_one = ["-n", one] if one else []
        run(["ip", *in_one, "link", "add", here, "type", "veth", "peer", there, "netns", other])
        for where, device, own in ((in_one, here, address), (["-n", other], there, other_address)):
            run(["ip", *where, "address", "add", f"{own}/24", "dev", device])
            run(["ip", *where, "link", "set", device, "up"])

    def close(self) -> None:
        for name in self.names:
            run(["ip", "netns", "delete", name], check=False)


def inside(name: str, *command: str | Path) -> list[str]:
    return ["nsenter", f"--net=/run/netns/{name}", *map(str, command)]


def build(net: Net) -> tuple[str, str, str]:
    """The machines and cables of the picture above; the names of the bots' and the phone's."""
    run(["ip", "link", "set", "lo", "up"])
    bot, gate, router, phone = (net.machine(name) for name in ("bot", "gate", "nat", "phone"))
    far_router, far_bot = net.machine("nat2"), net.machine("bot2")
    net.cable("", PBX_TO_BOT, bot, BOT)
    net.cable("", PBX, gate, GATE_INSIDE)
    net.cable(gate, GATE_OUTSIDE, router, NAT_OUTSIDE)
    net.cable(router, NAT_INSIDE, phone, PHONE)
    net.cable(gate, GATE_TO_BOT, far_router, BOT_NAT)
    net.cable(far_router, BOT_NAT_INSIDE, far_bot, FAR_BOT)
    run(["ip", "route", "add", "default", "via", GATE_INSIDE])
    run(["ip", "-n", phone, "route", "add", "default", "via", NAT_INSIDE])
    run(["ip", "-n", far_bot, "route", "add", "default", "via", BOT_NAT_INSIDE])
    hide(gate, "10.88.0.0/24")
    hide(router, "192.168.77.0/24")
    hide(far_router, "10.99.0.0/24")
    forward(gate, GATE_OUTSIDE, "udp", str(SIP_PORT), PBX)
    for outside in (GATE_OUTSIDE, GATE_TO_BOT):
        forward(gate, outside, "udp", RTP, PBX)
    forward(gate, GATE_TO_BOT, "tcp", "8088", PBX)
    forward(far_router, BOT_NAT, "udp", BOT_RTP, FAR_BOT)
    return bot, far_bot, phone


def hide(router: str, private: str) -> None:
    """What comes from ``private`` leaves with an address of the router's own."""
    run(inside(router, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"))
    for public in ("203.0.113.0/24", "198.51.100.0/24"):
        rule = ["-s", private, "-d", public, "-j", "MASQUERADE"]
        run(inside(router, "iptables", "-t", "nat", "-A", "POSTROUTING", *rule))


def forward(router: str, outside: str, protocol: str, ports: str, to: str) -> None:
    rule = ["-d", outside, "-p", protocol, "--dport", ports.replace("-", ":")]
    run(inside(router, "iptables", "-t", "nat", "-A", "PREROUTING", *rule, "-j", "DNAT", "--to", to))


@dataclass(frozen=True)
class Place:
    """A machine for the bot, and the addresses that fit it."""

    machine: str
    asterisk: str
    bind: str
    external_host: str
    source: str = "announced"

    def configure(self, folder: Path) -> Path:
        rtp = {
            "bind": self.bind,
            "external_host": self.external_host,
            "source": self.source,
            "ports": BOT_RTP,
        }
        settings = {
            "provider_name": "offline",
            "asterisk": {"url": f"http://{self.asterisk}:8088"},
            "media": {"rtp": rtp},
            "records": {"database": str(folder / "calls.sqlite")},
            "agents": {"default": {"greeting": "Hello! How can I help you today?"}},
        }
        config = folder / "config.yaml"
        config.write_text(yaml.safe_dump(settings))
        return config

    def command(self, *command: str | Path) -> list[str]:
        return inside(self.machine, sys.executable, "-m", "bot", *command)


@contextmanager
def running_bot(place: Place, folder: Path, password: str) -> Iterator[Path]:
    """The bot with its embedded model; yields its log."""
    config, log = place.configure(folder), folder / "bot.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *place.command("run", "-c", config)],
            cwd=PROJECT,
            env={**os.environ, "ARI_PASSWORD": password},
            stdout=file,
            stderr=file,
        )
    try:
        wait_for("the bot to be ready", lambda: "[app] app=" in log.read_text(), READY_SECONDS, 0.2)
        yield log
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def check(place: Place, folder: Path, password: str, wanted: str) -> None:
    """``voicebot check --live`` on the bot's machine says what is ``wanted``."""
    command = place.command("check", "--live", "-c", place.configure(folder))
    words = run(command, env={"ARI_PASSWORD": password}, check=False)
    if wanted not in words:
        raise HarnessError(f"check --live does not say «{wanted}»:\n{words}")
    print(f"  {next(line for line in words.splitlines() if wanted in line)}")


def call(place: Place, folder: Path, asterisk: Asterisk, phone: str) -> None:
    """A spoken call, judged by ear at the phone."""
    secret = folder / "secret"
    secret.write_text(asterisk.phone_password())
    talk = ["-m", "tests.deploy.talk", "--server", GATE_OUTSIDE, "--secret", str(secret)]
    with running_bot(place, folder, asterisk.ari_password) as log:
        try:
            print(f"  {json.loads(run(inside(phone, sys.executable, *talk)).splitlines()[-1])}")
        except HarnessError as error:
            raise HarnessError(f"{error}\n{log.read_text()[-3000:]}\n{asterisk.log_tail(30)}") from error


def try_out() -> None:
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="voicebot-nat-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        net = Net()
        stack.callback(net.close)
        bot, far_bot, phone = build(net)
        near = Place(bot, PBX_TO_BOT, BOT, BOT)
        far = Place(far_bot, GATE_TO_BOT, FAR_BOT, BOT_NAT)
        asterisk = stack.enter_context(OutsideAsterisk())
        with step("a phone behind NAT calls 100"):
            call(near, folder, asterisk, phone)
            if f"@{NAT_OUTSIDE}:" not in asterisk.log_file.read_text():
                raise HarnessError("the phone did not come through the NAT")
        with step("a bot on loopback, and one that does not expect NAT, are told"):
            mistaken = replace(near, bind="127.0.0.1", external_host="127.0.0.1")
            check(mistaken, folder, asterisk.ari_password, f"set it to {BOT} (RTP_EXTERNAL_HOST)")
            check(far, folder, asterisk.ari_password, "NAT lies in between, so set media.rtp.source to first")
        with step("a firewall is told, either way"):
            for chain, wanted in (
                ("INPUT", "nothing comes to"),
                ("OUTPUT", "our audio does not reach Asterisk"),
            ):
                rule = [chain, "-p", "udp", "-j", "DROP"]
                run(inside(bot, "iptables", "-A", *rule))
                check(near, folder, asterisk.ari_password, wanted)
                run(inside(bot, "iptables", "-D", *rule))
        with step("the bot behind a NAT of its own"):
            far = replace(far, source="first")
            check(far, folder, asterisk.ari_password, f"{FAR_BOT} as {BOT_NAT}: good.")
            call(far, folder, asterisk, phone)


def main() -> int:
    need_root()
    if not os.environ.get(APART):
        command = ["unshare", "--net", sys.executable, "-m", "tests.deploy.nat"]
        return subprocess.run(command, env={**os.environ, APART: "1"}, check=False).returncode
    begun = time.monotonic()
    try:
        try_out()
    except HarnessError as error:
        print(error, file=sys.stderr)
        return 1
    seconds = time.monotonic() - begun
    print(
        f"phone | NAT | NAT | PBX | bot, and … PBX | NAT | NAT | bot: heard both ways, {seconds:.0f} s in all"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
