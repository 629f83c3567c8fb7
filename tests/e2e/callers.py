"""Many callers at once, and the one thing baresip cannot do (an attended transfer): SIPp with real speech."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import urllib.parse
from pathlib import Path

import numpy as np

from tests.e2e.asterisk import Asterisk, HarnessError, free_port, wait_for
from tests.e2e.sound import RATE_HZ, Pcm, speak

SCENARIOS = Path(__file__).parent / "sipp"


def encode_ulaw(pcm: Pcm) -> bytes:
    """μ-law bytes (ITU-T G.711) by sox: what SIPp streams as payload type 0."""
    command = ["sox", "-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-r", str(RATE_HZ), "-"]
    raw = pcm.astype("<i2").tobytes()
    return subprocess.run([*command, "-t", "ul", "-"], input=raw, capture_output=True, check=True).stdout


class Callers:
    """``with Callers(asterisk, "100", scenario="leave", calls=10, last_s=8) as callers: callers.finish(30)``.

    Each caller speaks ``words`` over and over. ``leave``: the callers hang up at random moments between
    ``first_s`` and ``last_s`` after the answer. ``stay``: the far end must, before ``last_s``. ``transfer``:
    ``first_s`` after the answer the party at ``extension`` is handed over to the call ``replaces``.
    """

    def __init__(
        self,
        asterisk: Asterisk,
        extension: str,
        *,
        scenario: str = "leave",
        account: str = "phone",
        calls: int = 1,
        per_second: float = 10.0,
        first_s: float = 1.0,
        last_s: float = 10.0,
        words: str = "Hello, can you tell me when you are open?",
        replaces: str = "",
        target: str = "100",
    ) -> None:
        self.asterisk, self.extension, self.calls = asterisk, extension, calls
        self.per_second = per_second
        self._fields = {
            "ACCOUNT": account,
            "PASSWORD": asterisk.phone_password(account),
            "FIRST_MS": str(round(first_s * 1000)),
            "LAST_MS": str(round(last_s * 1000)),
            "REPLACES": urllib.parse.quote(replaces, safe=""),
            "TARGET": target,
        }
        self._scenario, self._words = scenario, words
        self.folder = Path(tempfile.mkdtemp(prefix="voicebot-callers-", dir="/tmp"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Callers:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End SIPp whatever it is doing, and remove its files."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self, timeout: float = 60.0) -> tuple[int, int]:
        """Wait for all calls: how many went as the scenario says, and how many did not."""
        assert self._process is not None
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise HarnessError(f"SIPp still had calls after {timeout:g} s") from None
        stat = self.folder / "stat.csv"
        if not stat.exists():
            raise HarnessError("SIPp did not start: " + (self.folder / "screen.log").read_text()[-300:])
        rows = stat.read_text().splitlines()
        last = dict(zip(rows[0].split(";"), rows[-1].split(";"), strict=False))
        return int(last["SuccessfulCall(C)"]), int(last["FailedCall(C)"])

    def errors(self) -> str:
        """What SIPp complained about."""
        file = self.folder / "errors.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def dialog(self, timeout: float = 10.0) -> str:
        """The first answered call as a ``Replaces`` value: ``call-id;to-tag=…;from-tag=…`` (RFC 3891)."""
        log = self.folder / "dialog.log"

        def found() -> str | None:
            match = re.search(r"DIALOG (\S+)", log.read_text()) if log.exists() else None
            return match.group(1) if match else None

        return wait_for("SIPp's call to be answered", found, timeout)

    def _start(self) -> None:
        audio = self.folder / "words.ulaw"
        pause = np.zeros(RATE_HZ, np.int16)
        audio.write_bytes(encode_ulaw(np.concatenate([speak(self._words), pause])))
        xml = (SCENARIOS / f"{self._scenario}.xml").read_text()
        for part in ("opening", "bye"):
            xml = xml.replace(f"@{part.upper()}@", (SCENARIOS / f"{part}.xml").read_text())
        for name, value in {**self._fields, "AUDIO": str(audio)}.items():
            xml = xml.replace(f"@{name}@", value)
        (self.folder / "scenario.xml").write_text(xml)
        command = ["setpriv", "--pdeathsig", "KILL", "sipp", f"127.0.0.1:{self.asterisk.sip_port}"]
        command += ["-sf", "scenario.xml", "-s", self.extension, "-i", "127.0.0.1"]
        command += ["-p", str(free_port()), "-m", str(self.calls), "-l", str(self.calls)]
        command += ["-r", "1", "-rp", f"{round(1000 / self.per_second)}"]
        command += ["-nostdin", "-trace_stat", "-stf", "stat.csv", "-trace_err", "-error_file", "errors.log"]
        command += ["-trace_logs", "-log_file", "dialog.log"]
        with (self.folder / "screen.log").open("wb") as screen:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=screen,
                stderr=screen,
                start_new_session=True,
            )
