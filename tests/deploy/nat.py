"""A phone behind NAT, a PBX behind another, and the bot on another host: a spoken call, heard both ways.

    python -m tests.deploy.nat

    phone ── NAT 203.0.113.2 ── 203.0.113.1 NAT ── PBX ── bot

Every machine is a network namespace; this process stands on the PBX, whose NAT forwards SIP and RTP to it.
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
from pathlib import Path

import yaml

from tests.deploy.steps import install, need_root, run, step
from tests.e2e.asterisk import PROJECT, Asterisk, HarnessError, wait_for

APART = "VOICEBOT_TEST_APART"
PACKAGES = ("iptables", "iproute2")
PBX_TO_BOT, BOT = "10.77.0.1", "10.77.0.2"
PBX, GATE_INSIDE = "10.88.0.2", "10.88.0.1"
GATE_OUTSIDE, NAT_OUTSIDE = "203.0.113.1", "203.0.113.2"
NAT_INSIDE, PHONE = "192.168.77.1", "192.168.77.2"
SIP_PORT, RTP = 5060, "10000-10199"
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


def build(net: Net) -> tuple[str, str]:
    """The machines and cables of the picture above; the names of the bot's and the phone's."""
    run(["ip", "link", "set", "lo", "up"])
    bot, gate, router, phone = (net.machine(name) for name in ("bot", "gate", "nat", "phone"))
    net.cable("", PBX_TO_BOT, bot, BOT)
    net.cable("", PBX, gate, GATE_INSIDE)
    net.cable(gate, GATE_OUTSIDE, router, NAT_OUTSIDE)
    net.cable(router, NAT_INSIDE, phone, PHONE)
    run(["ip", "route", "add", "default", "via", GATE_INSIDE])
    run(["ip", "-n", phone, "route", "add", "default", "via", NAT_INSIDE])
    for name, private in ((gate, "10.88.0.0/24"), (router, "192.168.77.0/24")):
        run(inside(name, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"))
        rule = ["-s", private, "-d", "203.0.113.0/24", "-j", "MASQUERADE"]
        run(inside(name, "iptables", "-t", "nat", "-A", "POSTROUTING", *rule))
    for ports in (str(SIP_PORT), RTP.replace("-", ":")):
        rule = ["-d", GATE_OUTSIDE, "-p", "udp", "--dport", ports, "-j", "DNAT", "--to-destination", PBX]
        run(inside(gate, "iptables", "-t", "nat", "-A", "PREROUTING", *rule))
    return bot, phone


@contextmanager
def running_bot(where: str, folder: Path, password: str) -> Iterator[Path]:
    """The bot with its embedded model on the machine ``where``; yields its log."""
    settings = {
        "provider_name": "offline",
        "asterisk": {"url": f"http://{PBX_TO_BOT}:8088"},
        "media": {"rtp": {"bind": BOT, "external_host": BOT}},
        "records": {"database": str(folder / "calls.sqlite")},
        "agents": {"default": {"greeting": "Hello! How can I help you today?"}},
    }
    config, log = folder / "config.yaml", folder / "bot.log"
    config.write_text(yaml.safe_dump(settings))
    command = inside(
        where, "setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "bot", "run", "-c", config
    )
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=PROJECT, env={**os.environ, "ARI_PASSWORD": password}, stdout=file, stderr=file
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


def try_out() -> None:
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="voicebot-nat-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        net = Net()
        stack.callback(net.close)
        bot, phone = build(net)
        asterisk = stack.enter_context(OutsideAsterisk())
        log = stack.enter_context(running_bot(bot, folder, asterisk.ari_password))
        secret = folder / "secret"
        secret.write_text(asterisk.phone_password())
        talk = ["-m", "tests.deploy.talk", "--server", GATE_OUTSIDE, "--secret", str(secret)]
        with step("a phone behind NAT calls 100"):
            try:
                print(f"  {json.loads(run(inside(phone, sys.executable, *talk)).splitlines()[-1])}")
            except HarnessError as error:
                raise HarnessError(f"{error}\n{log.read_text()[-3000:]}\n{asterisk.log_tail(30)}") from error
            if f"@{NAT_OUTSIDE}:" not in asterisk.log_file.read_text():
                raise HarnessError("the phone did not come through the NAT")


def main() -> int:
    need_root()
    if not os.environ.get(APART):
        with tempfile.NamedTemporaryFile() as log:
            install(PACKAGES, Path(log.name))
        command = ["unshare", "--net", sys.executable, "-m", "tests.deploy.nat"]
        return subprocess.run(command, env={**os.environ, APART: "1"}, check=False).returncode
    begun = time.monotonic()
    try:
        try_out()
    except HarnessError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"phone | NAT | NAT | PBX | bot: heard both ways, {time.monotonic() - begun:.0f} s in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
