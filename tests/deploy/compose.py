"""Builds and runs docker-compose.yml where no container engine runs, and calls it from another machine; then
the bot alone, beside an Asterisk that is there.

    python -m tests.deploy.compose      what it needs besides, `make compose-test` installs

buildah builds, podman runs, with storage of their own; base images are Debian trees, since no registry is
asked. Two network namespaces stand for two machines: the server, whose ports are all free, and the phone.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.existing import PASSWORD, StockAsterisk, join
from tests.deploy.sides import check_words
from tests.deploy.steps import CERTIFICATES, expect, install, need_root, run, step, tree, trial_folder
from tests.deploy.talk import hold_call
from tests.e2e.asterisk import PROJECT, Asterisk, HarnessError, cache_folder, find_root, wait_for
from tests.e2e.bot import Model

PACKAGES = ("podman", "buildah", "runc", "netavark", "ca-certificates")
PODMAN_COMPOSE = "podman-compose==1.6.0"
BASES = {"VOICEBOT_BASE": "trixie", "VOICEBOT_ASTERISK_BASE": "forky"}
PROFILES = ("--profile", "asterisk", "--profile", "offline")
SERVICES = ("asterisk", "model", "bot")
SERVER, PHONE = "10.213.0.1", "10.213.0.2"
CLOSED = {8088: "ARI", 8089: "health and metrics", 8090: "the embedded model"}
HEALTHY_SECONDS = 90
#: Of an image, its base included; MB.
LARGEST = {"bot": 400, "asterisk": 500, "model": 1000}
CLONE_NEWNET = 0x40000000


class Trial:
    """The server's containers and all that is made for them; ``close`` leaves nothing behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "trial.log"
        self.server, self.phone = f"vb{os.getpid()}s", f"vb{os.getpid()}p"
        self.compose_file: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
        self.podman_compose = cache_folder() / "podman-compose" / "bin" / "podman-compose"
        self.env = self._write_settings()

    def _write_settings(self) -> dict[str, str]:
        store = self.folder / "store"
        (self.folder / "containers.conf").write_text(
            f"""[containers]
default_ulimits = ["nofile=4096:4096", "nproc=2048:2048"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "{self.folder}/run/libpod"
[network]
network_config_dir = "{self.folder}/networks"
"""
        )
        (self.folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{store}"\nrunroot = "{self.folder}/run/storage"\n'
        )
        # The host may trust an authority of its own; images are built with what the host trusts.
        (self.folder / "pip.conf").write_text("[global]\ncert = /run/host-certificates.crt\n")
        config = (PROJECT / "config.yaml").read_text()
        config = config.replace('recordings: ""', "recordings: recordings", 1)
        (self.folder / "config.yaml").write_text(config)
        (self.folder / "secrets").mkdir()
        return {
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            "VOICEBOT_CONFIG": str(self.folder / "config.yaml"),
            "VOICEBOT_SECRETS": str(self.folder / "secrets"),
            "OPENAI_API_KEY": "",
            "COMPOSE_PROFILES": "",
        }

    # -- building

    def build(self) -> None:
        for name, suite in BASES.items():
            with step(f"base image of Debian {suite}"):
                self._run("podman", "import", tree(suite), f"{name.lower()}:trial")
        for name in SERVICES:
            with step(f"building {name}"):
                self._build(self.compose_file["services"][name])

    def _build(self, service: dict[str, Any]) -> None:
        arguments = {
            key: f"localhost/{_variable(value).lower()}:trial" if key == "BASE" else _default(value)
            for key, value in service["build"]["args"].items()
        }
        command: list[str | Path] = ["buildah", "bud", "--isolation", "chroot", "--format", "docker"]
        for key, value in arguments.items():
            command += ["--build-arg", f"{key}={value}"]
        command += ["-v", f"{CERTIFICATES}:/run/host-certificates.crt:ro"]
        command += ["-v", f"{self.folder}/pip.conf:/etc/pip.conf:ro"]
        command += ["-t", _image(service)]
        self._run(*command, PROJECT / service["build"]["context"])

    def check_sizes(self) -> None:
        for name, most in LARGEST.items():
            image = f"localhost/{_image(self.compose_file['services'][name])}"
            size = int(self._run("podman", "image", "inspect", "--format", "{{.Size}}", image).split()[-1])
            print(f"  {name}: {size / 1e6:.0f} MB")
            expect(size <= most * 1e6, f"the image of {name} has {size / 1e6:.0f} MB, more than {most}")

    # -- the two machines

    def connect(self) -> None:
        """A cable between the server and the phone."""
        for name in (self.server, self.phone):
            run(["ip", "netns", "add", name])
            run(["ip", "-n", name, "link", "set", "lo", "up"])
        run(
            [
                "ip",
                "-n",
                self.server,
                "link",
                "add",
                "eth0",
                "type",
                "veth",
                "peer",
                "eth0",
                "netns",
                self.phone,
            ]
        )
        for name, address in ((self.server, SERVER), (self.phone, PHONE)):
            run(["ip", "-n", name, "address", "add", f"{address}/24", "dev", "eth0"])
            run(["ip", "-n", name, "link", "set", "eth0", "up"])

    def up(self) -> None:
        self._compose("up", "-d")
        for name in SERVICES:
            self.wait_healthy(name)

    def wait_healthy(self, name: str) -> None:
        wait_for(f"{name} to be healthy", lambda: self.healthy(name), HEALTHY_SECONDS, 1.0)

    def healthy(self, name: str) -> bool:
        # Podman enters the network that it is called from, when a container uses the host's.
        answer = self._on_server("podman", "healthcheck", "run", f"voicebot_{name}_1", check=False)
        return not answer.strip()

    def close(self) -> None:
        """Containers, volumes, images, cable."""
        if self.podman_compose.exists() and (self.folder / "store").exists():
            self._on_server(
                self.podman_compose, "--in-pod=false", *PROFILES, "down", "-v", "-t", "5", check=False
            )
            self._run("podman", "rm", "-af", "-t", "1", check=False)
            self._run("podman", "umount", "-a", check=False)
        for name in (self.server, self.phone):
            run(["ip", "netns", "delete", name], check=False)
        run(["umount", self.folder / "store" / "overlay"], check=False)

    # -- questions

    def status(self, name: str) -> dict[str, str]:
        """``/proc/PID/status`` of a container's first process."""
        pid = self._run("podman", "inspect", "--format", "{{.State.Pid}}", f"voicebot_{name}_1").split()[-1]
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}

    def volume(self, name: str) -> Path:
        return Path(
            self._run(
                "podman", "volume", "inspect", "--format", "{{.Mountpoint}}", f"voicebot_{name}"
            ).strip()
        )

    def check_hardening(self) -> None:
        """No root, no capability, no way to either, and nothing to write to but its own volume."""
        for name in SERVICES:
            status = self.status(name)
            expect(status["Uid"].split()[0] == "10001", f"{name} runs as user {status['Uid']}")
            expect(int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0, f"{name} has capabilities")
            expect(status["NoNewPrivs"] == "1", f"{name} may gain privileges")
            words = self._on_server("podman", "exec", f"voicebot_{name}_1", "touch", "/opt/x", check=False)
            expect("Read-only file system" in words, f"{name} can write to its image: {words}")

    def check_closed(self) -> None:
        """What is for this machine alone does not answer the phone's."""
        for port, what in CLOSED.items():
            code = f"import socket; socket.create_connection(('{SERVER}', {port}), 3)"
            answer = self._at_phone(sys.executable, "-c", code, check=False)
            expect("refused" in answer, f"{what} (port {port}) is open to the network: {answer}")

    def call(self) -> dict[str, Any]:
        """A spoken call from the phone's machine."""
        answer: dict[str, Any] = json.loads(self._at_phone(*self._talk()).strip().splitlines()[-1])
        return answer

    def call_and_stop(self) -> float:
        """The bot is stopped while a call goes on: the whole conversation is still held, then the bot ends by
        itself. Returns the seconds that this took."""
        with (self.folder / "talk.log").open("w+") as words:
            command = ["nsenter", f"--net=/run/netns/{self.phone}", *map(str, self._talk())]
            talk = subprocess.Popen(command, cwd=PROJECT, stdout=words, stderr=words)
            try:
                wait_for("a call to stop in", lambda: self.active_calls() == 1, 30, 0.5)
                begun = time.monotonic()
                self._compose("stop", "bot")
                seconds = time.monotonic() - begun
                code = talk.wait(60)
            finally:
                talk.kill()
            words.seek(0)
            expect(code == 0, f"the call did not survive the stop: {words.read()}")
        ended = self._run("podman", "inspect", "--format", "{{.State.ExitCode}}", "voicebot_bot_1").split()[
            -1
        ]
        expect(ended == "0", f"the bot's container ended with {ended}")
        expect(seconds < self.grace, f"the stop took {seconds:.1f} s, and {self.grace} s are all it has")
        return seconds

    @property
    def grace(self) -> int:
        """Seconds until a stop becomes a kill."""
        return int(_default(self.compose_file["services"]["bot"]["stop_grace_period"]).removesuffix("s"))

    # -- the bot alone, beside an Asterisk that is there

    def down(self) -> None:
        self._compose("down", "-v")

    def up_beside(self, asterisk: StockAsterisk, model: Model) -> None:
        """docs/existing-pbx.md, then `docker compose up` with what the operator has to set."""
        join(asterisk, model.url)
        secret = self.folder / "secrets" / "ari_password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self.env["OFFLINE_URL"] = model.url
        self._compose("up", "-d", profiles=())
        self.wait_healthy("bot")
        names = self._run("podman", "ps", "--format", "{{.Names}}").split()
        expect(not {"voicebot_asterisk_1", "voicebot_model_1"} & set(names), f"not the bot alone: {names}")
        inside = ("container", "check", "--live", "--config", "/etc/voicebot/config.yaml")
        self._on_server("podman", "exec", "voicebot_bot_1", *inside)

    def upgrade_in_call(self, asterisk: Asterisk) -> float:
        """`up` anew in the middle of a call, which is held to its end; another container takes the next call.
        Returns the seconds that this took."""
        before = self._container()
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(hold_call, asterisk)
            wait_for("a call to upgrade in", lambda: self.active_calls() == 1, 30, 0.5)
            begun = time.monotonic()
            self._compose("up", "-d", "--force-recreate", "--no-deps", "bot", profiles=())
            seconds = time.monotonic() - begun
            call.result(60)
        expect(self._container() != before, "the bot's container is the old one")
        self.wait_healthy("bot")
        hold_call(asterisk)
        return seconds

    def check_both_calls(self) -> None:
        with sqlite3.connect(self.volume("records") / "var" / "calls.sqlite") as database:
            ended_by = [row[0] for row in database.execute("SELECT ended_by FROM calls")]
        expect(ended_by == ["agent", "agent"], f"the calls were ended by {ended_by}")

    def _container(self) -> str:
        return self._run("podman", "inspect", "--format", "{{.Id}}", "voicebot_bot_1").split()[-1]

    def active_calls(self) -> int:
        """Of the metric, asked on the server."""
        code = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8089/metrics').read().decode())"
        lines = self._on_server(sys.executable, "-c", code).splitlines()
        return next(
            int(float(line.split()[1])) for line in lines if line.startswith("voicebot_calls_active ")
        )

    def _talk(self) -> list[str | Path]:
        secret = self.volume("asterisk") / "etc" / "secrets" / "phone"
        heard = self.folder / "heard.wav"
        return [
            sys.executable,
            "-m",
            "tests.deploy.talk",
            "--server",
            SERVER,
            "--secret",
            secret,
            "--out",
            heard,
        ]

    def check_records(self) -> dict[str, Any]:
        """One call written down, with a stereo recording of both parties."""
        records = self.volume("records")
        with sqlite3.connect(records / "var" / "calls.sqlite") as database:
            database.row_factory = sqlite3.Row
            rows = [dict(row) for row in database.execute("SELECT * FROM calls")]
        expect(len(rows) == 1, f"{len(rows)} calls are written down, not 1")
        check_words(records / "recordings")
        return rows[0]

    def words(self) -> str:
        """The ends of the containers' logs."""
        return "\n".join(
            f"--- {name}\n"
            + "\n".join(self._run("podman", "logs", f"voicebot_{name}_1", check=False).splitlines()[-25:])
            for name in SERVICES
        )

    # -- commands

    def _compose(self, *command: str | Path, profiles: Sequence[str] = PROFILES) -> str:
        return self._on_server(self.podman_compose, "--in-pod=false", *profiles, *command)

    def _on_server(self, *command: str | Path, check: bool = True) -> str:
        return self._run("nsenter", f"--net=/run/netns/{self.server}", *command, check=check)

    def _at_phone(self, *command: str | Path, check: bool = True) -> str:
        return self._run("nsenter", f"--net=/run/netns/{self.phone}", *command, check=check)

    def _run(self, *command: str | Path, check: bool = True) -> str:
        return run(command, log=self.log, env=self.env, check=check)


@contextmanager
def standing_on(machine: str) -> Iterator[None]:
    """This thread, and what it starts, is in that network namespace meanwhile."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(namespace: int) -> None:
        if libc.setns(namespace, CLONE_NEWNET):
            raise HarnessError(f"setns: {os.strerror(ctypes.get_errno())}")

    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{machine}") as there:  # noqa: PTH123
        enter(there.fileno())
        try:
            yield
        finally:
            enter(home.fileno())


def left_behind(trial: Trial) -> list[str]:
    """What outlived ``close``; images, volumes and Podman's networks would be in the folder."""
    folder = str(trial.folder)
    found = [folder] if trial.folder.exists() else []
    found += [name for name in (trial.server, trial.phone) if Path("/run/netns", name).exists()]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found += [f"the mount {line.split()[4]}" for line in mounts if folder in line]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text(errors="replace").split("\0")
        except OSError:
            continue  # it has ended
        if any(folder in word for word in words):
            found.append(f"process {process.name}: {' '.join(words)}")
    return found


def _image(service: dict[str, Any]) -> str:
    return _default(service["image"])


def _default(text: str) -> str:
    """With each ``${NAME:-default}`` as it is when nothing is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def _variable(reference: str) -> str:
    """The NAME of ``${NAME:-default}``."""
    return reference.removeprefix("${").partition(":")[0]


def set_up(log: Path) -> None:
    with step("packages"):
        install(PACKAGES, log)
        folder = cache_folder() / "podman-compose"
        if not (folder / "bin" / "podman-compose").exists():
            run([sys.executable, "-m", "venv", folder], log=log)
            run([folder / "bin" / "pip", "install", "--quiet", PODMAN_COMPOSE], log=log)


def main() -> int:
    need_root()
    begun = time.monotonic()
    with ExitStack() as stack:
        folder = stack.enter_context(trial_folder("compose"))
        set_up(folder / "trial.log")
        trial = Trial(folder)
        stack.callback(trial.close)
        try:
            trial.build()
            trial.check_sizes()
            with step("up"):
                trial.connect()
                trial.up()
            with step("users, capabilities, file systems, ports"):
                trial.check_hardening()
                trial.check_closed()
            with step("a phone on another machine calls 100"):
                print(f"  {trial.call()}")
            with step("records"):
                row = trial.check_records()
                print(f"  ended by {row['ended_by']}: {row['reason']}")
            with step("the bot is stopped in the middle of a call"):
                print(f"  the call was finished, the stop took {trial.call_and_stop():.1f} s")
            with step("the bot alone, beside a stock Asterisk with an operator's password"):
                trial.down()
                stack.enter_context(standing_on(trial.server))
                asterisk = StockAsterisk(find_root())
                stack.callback(asterisk.close)
                asterisk.configure()
                asterisk.start()
                model = stack.enter_context(Model(scripted=False))
                trial.up_beside(asterisk, model)
            with step("it is upgraded in the middle of a call"):
                print(f"  the call was finished, up took {trial.upgrade_in_call(asterisk):.1f} s")
                trial.check_both_calls()
        except HarnessError as error:
            print(f"{error}\n{trial.words()}", file=sys.stderr)
            return 1
    if left := left_behind(trial):
        print(f"left behind: {left}", file=sys.stderr)
        return 1
    print(f"docker-compose.yml works: {time.monotonic() - begun:.0f} s in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
