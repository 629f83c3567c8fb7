"""A real Asterisk of one's own: configured by ``asterisk/configure``, on free ports, gone without a trace.

Serves the end-to-end tests and ``make demo``; needs nothing of ``bot``, and the standard library alone.
"""

from __future__ import annotations

import base64
import functools
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

PROJECT = Path(__file__).resolve().parents[2]
START_SECONDS = 15.0
STOP_SECONDS = 5.0

T = TypeVar("T")

# Inside a mount namespace of its own, so that nothing stays mounted whatever happens to us.
# The instance's folder gets the same path inside the root as outside.
ENTER_ROOT = """
root=$1 folder=$2; shift 2
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
if [ -e "$root/etc/hosts" ]; then mount --bind /etc/hosts "$root/etc/hosts"; fi
mount -t tmpfs voicebot "$root/tmp"
mkdir -p "$root$folder"
mount --bind "$folder" "$root$folder"
exec chroot "$root" "$@"
"""


class HarnessError(RuntimeError):
    """The test equipment itself failed, not what it tests."""


def cache_folder() -> Path:
    """Where things that are built once are kept: ``VOICEBOT_CACHE``, else ``~/.cache/voicebot``."""
    return Path(os.environ.get("VOICEBOT_CACHE") or Path.home() / ".cache" / "voicebot")


@functools.cache
def find_root() -> Path:
    """A root file system that holds an Asterisk (built if missing): never this machine's own."""
    script = PROJECT / "deploy" / "asterisk-root.sh"
    done = subprocess.run([script, "--own", cache_folder()], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise HarnessError("no Asterisk: see the lines of deploy/asterisk-root.sh above")
    return Path(done.stdout.strip())


def free_port(address: str = "127.0.0.1") -> int:
    """A port nobody holds now, UDP or TCP (SIP takes both), below the range from which the kernel serves
    outgoing connections."""
    for _ in range(200):
        port = random.randrange(20_000, 32_000)
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        ):
            try:
                udp.bind((address, port))
                tcp.bind((address, port))
            except OSError:
                continue
            return port
    raise HarnessError(f"no free port on {address}")


def _some_rtp_ports() -> str:
    """Others for each Asterisk, most likely; each steps over what the other holds."""
    first = random.randrange(10_000, 18_000, 2)
    return f"{first}-{first + 1999}"


def wait_for(what: str, probe: Callable[[], T | None], timeout: float, every: float = 0.01) -> T:
    """The first truthy answer of ``probe``; after ``timeout`` seconds a HarnessError that names ``what``."""
    deadline = time.monotonic() + timeout
    while True:
        if answer := probe():
            return answer
        if time.monotonic() >= deadline:
            raise HarnessError(f"waited {timeout:g} s for {what}")
        time.sleep(every)


class Asterisk:
    """One Asterisk process: ``with Asterisk(phones=["phone", "201"]) as asterisk: …``.

    ``folder`` keeps configuration, passwords and logs for the next start; without it a temporary one is used.
    ``dialplan`` is added to the shared one (``extensions_local.conf``). Start it from a thread that lives as
    long as it should: the kernel ends Asterisk with its parent thread.
    """

    ari_user = "voicebot"

    def __init__(
        self,
        *,
        phones: Sequence[str] = ("phone",),
        dialplan: str = "",
        fallback: str = "",
        root: Path | None = None,
        folder: Path | None = None,
        address: str = "127.0.0.1",
        sip_port: int | None = None,
        http_port: int | None = None,
        rtp: str = "",
    ) -> None:
        self.phones = tuple(phones)
        self.dialplan = dialplan
        self.fallback = fallback
        self.address = address
        self.root = root or find_root()
        self.sip_port = sip_port or free_port(address)
        self.http_port = http_port or free_port()
        self.rtp = rtp or _some_rtp_ports()
        self._temporary = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="voicebot-asterisk-", dir="/tmp"))
        self.config = self.folder / "etc"
        self.log_file = self.folder / "state" / "log" / "messages.log"
        self._process: subprocess.Popen[bytes] | None = None

    # -- what others need to reach it

    @property
    def ari_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def ari_password(self) -> str:
        return self._secret("ari")

    @property
    def pid(self) -> int:
        return self._running().pid

    def phone_password(self, phone: str = "phone") -> str:
        return self._secret(phone)

    # -- life

    def __enter__(self) -> Asterisk:
        try:
            self.configure()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def configure(self) -> None:
        """Write the configuration; passwords of an earlier run are kept."""
        command: list[str | Path] = [PROJECT / "asterisk" / "configure"]
        command += ["--out", self.config, "--state", self.folder / "state"]
        command += ["--sip-bind", self.address, "--sip-port", str(self.sip_port)]
        command += ["--http-port", str(self.http_port), "--rtp", self.rtp]
        for phone in self.phones:
            command += ["--phone", phone]
        if self.fallback:
            command += ["--fallback", self.fallback]
        subprocess.run(command, check=True)
        if self.dialplan:
            (self.config / "extensions_local.conf").write_text(self.dialplan)

    def start(self) -> None:
        """Start and wait until ARI answers (about 0.3 s)."""
        command = ["setpriv", "--pdeathsig", "KILL", *self._enter(), "asterisk", "-C", self._conf, "-f"]
        with (self.folder / "stdout.log").open("ab") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        try:
            wait_for("Asterisk's ARI", self._answers, START_SECONDS)
        except HarnessError as error:
            raise HarnessError(f"{error}\n{self.log_tail()}") from None

    def stop(self) -> None:
        """End the process, politely first; the folder stays."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """As a crash would: SIGKILL, calls and sockets cut."""
        self._running().kill()
        self._running().wait()
        self._process = None

    def restart(self) -> None:
        """Stop and start on the same ports with the same passwords; live calls are lost."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop, and remove the temporary folder."""
        self.stop()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def freeze(self) -> None:
        """Stop the world inside Asterisk: sockets stay open, nobody answers."""
        self._running().send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._running().send_signal(signal.SIGCONT)

    # -- questions

    def cli(self, command: str, timeout: float = 10.0) -> str:
        """The answer of Asterisk's console to ``command``."""
        inside = ["chroot", str(self.root)] if self._chrooted else []
        enter = ["nsenter", "-t", str(self.pid), "-m", *inside] if inside else []
        done = subprocess.run(
            [*enter, "asterisk", "-C", self._conf, "-rx", command],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return done.stdout

    def ari(self, method: str, path: str, body: object = None, **query: str) -> Any:
        """One ARI request by plain urllib; the JSON answer, or ``None`` when it has no body."""
        url = f"{self.ari_url}/ari{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, method=method)
        login = base64.b64encode(f"{self.ari_user}:{self.ari_password}".encode()).decode()
        request.add_header("Authorization", f"Basic {login}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=5) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def channels(self) -> list[dict[str, Any]]:
        """ARI's list of live channels."""
        answer: list[dict[str, Any]] = self.ari("GET", "/channels")
        return answer

    def bridges(self) -> list[dict[str, Any]]:
        """ARI's list of live bridges."""
        answer: list[dict[str, Any]] = self.ari("GET", "/bridges")
        return answer

    def log_tail(self, lines: int = 60) -> str:
        """The end of what Asterisk wrote, for a failed test."""
        parts = []
        for file in (self.folder / "stdout.log", self.log_file):
            if file.exists():
                parts += file.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join(parts)

    # -- inside

    @property
    def _conf(self) -> str:
        return str(self.config / "asterisk.conf")

    @property
    def _chrooted(self) -> bool:
        return self.root != Path("/")

    def _enter(self) -> list[str]:
        if not self._chrooted:
            return []
        return ["unshare", "-m", "sh", "-ec", ENTER_ROOT, "enter", str(self.root), str(self.folder)]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise HarnessError("Asterisk is not running")
        return self._process

    def _secret(self, name: str) -> str:
        return (self.config / "secrets" / name).read_text()

    def _answers(self) -> bool:
        if (code := self._running().poll()) is not None:
            raise HarnessError(f"Asterisk ended with code {code}")
        try:
            return bool(self.ari("GET", "/asterisk/ping"))
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
