"""An Asterisk that is already there: it runs on stock files, is given the lines of ``asterisk-config`` as
docs/existing-pbx.md says, and serves a call.

    python -m tests.deploy.existing [SUITE]

SUITE is a Debian that carries an Asterisk (bullseye has 16.28); left out, the Asterisk of the other tests.
All of it runs in a network namespace of its own: a stock Asterisk listens on more than a test may take.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bot.asterisk_config import EXIT_GOOD, EXIT_MISSING
from tests.deploy.steps import asterisk_root, expect, need_root
from tests.e2e.asterisk import PROJECT, Asterisk, HarnessError, find_root, wait_for
from tests.e2e.bot import Bot, Model
from tests.e2e.phone import Phone

APART = "VOICEBOT_TEST_APART"
PASSWORD = "hard-to-guess"
#: What a suite carries; left out, that of the other tests, which grows with its Debian.
VERSIONS = {"bullseye": (16, 28)}
AT_LEAST = (22, 0)
BLOCK = re.compile(r"(?m)^; -+ (?:add to the end of (\S+)|found in \S+)\n")
# What somebody who runs this PBX had before: a phone, and a dialplan of its own.
PHONE = """
[own-udp]
type = transport
protocol = udp
bind = 127.0.0.1:{port}

[phone]
type = endpoint
context = office
disallow = all
allow = ulaw
auth = phone
aors = phone
rtp_symmetric = yes
force_rport = yes
rewrite_contact = yes

[phone]
type = auth
auth_type = userpass
username = phone
password = {password}

[phone]
type = aor
max_contacts = 2
"""
DIALPLAN = """
[office]
exten => 600,1,Answer()
 same => n,Echo()
"""
DIRECTORIES = """
[directories]
astetcdir => {etc}
astvarlibdir => {state}/lib
astdbdir => {state}/lib
astkeydir => {state}/lib
astspooldir => {state}/spool
astlogdir => {state}/log
astrundir => {state}/run
"""


class StockAsterisk(Asterisk):
    """Debian's configuration as the package installs it, with one phone."""

    def __init__(self, root: Path) -> None:
        # A stock chan_sip, up to Asterisk 20, takes 5060.
        super().__init__(root=root, sip_port=5070, http_port=8088)

    @property
    def ari_password(self) -> str:
        return PASSWORD

    def phone_password(self, phone: str = "phone") -> str:
        return PASSWORD

    def configure(self) -> None:
        if self.config.exists():
            return
        shutil.copytree(self.root / "etc" / "asterisk", self.config, symlinks=True)
        state = self.folder / "state"
        for name in ("lib/keys", "spool/tmp", "log/cdr-csv", "run"):
            (state / name).mkdir(parents=True)
        # The data that the package puts beside the database.
        shutil.copytree(self.root / "var/lib/asterisk", state / "lib", dirs_exist_ok=True, symlinks=True)
        main = self.config / "asterisk.conf"
        text = main.read_text().replace("[directories]", "[packaged-directories]")
        main.write_text(text + DIRECTORIES.format(etc=self.config, state=state))
        self.append("pjsip.conf", PHONE.format(port=self.sip_port, password=PASSWORD))
        self.append("extensions.conf", DIALPLAN)
        for path in (self.config, *self.config.rglob("*")):
            os.chown(path, 0, 0, follow_symlinks=False)

    def _answers(self) -> bool:
        """Asked at its console: the web server is off."""
        if (code := self._running().poll()) is not None:
            raise HarnessError(f"Asterisk ended with code {code}")
        return "has fully booted" in self.cli("core waitfullybooted", timeout=60)

    def serves_ari(self) -> bool:
        return super()._answers()

    def append(self, file: str | Path, text: str) -> None:
        with (self.config / file).open("a") as config:
            config.write("\n" + text)


def voicebot(model_url: str, *command: str | Path) -> tuple[int, str]:
    """The command as an operator gives it, with the configuration that comes along."""
    done = subprocess.run(
        [sys.executable, "-m", "bot", *map(str, command), "--config", str(PROJECT / "config.yaml")],
        cwd=PROJECT,
        env={**os.environ, "ARI_PASSWORD": PASSWORD, "OFFLINE_URL": model_url, "OPENAI_API_KEY": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def blocks(printed: str) -> dict[Path, str]:
    """The lines to add, by file, of what ``asterisk-config`` printed."""
    parts = BLOCK.split(printed)
    return {Path(file): text for file, text in zip(parts[1::2], parts[2::2], strict=True) if file}


def join(asterisk: StockAsterisk, model_url: str) -> None:
    """docs/existing-pbx.md, «The lines»: they are printed, put in, and Asterisk reloads while it runs."""
    command = ("asterisk-config", "--directory", asterisk.config, "--show-password")
    code, printed = voicebot(model_url, *command)
    lacking = sorted(set(re.findall(r"(?m)^; MISSING (\S+):", printed)))
    print(f"lacking before: {lacking}")
    expect(code == EXIT_MISSING and lacking == ["ari.conf", "extensions.conf", "http.conf"], printed)
    for file, text in blocks(printed).items():
        asterisk.append(file, text)
    asterisk.cli("core reload", timeout=60)
    code, printed = voicebot(model_url, *command)
    expect(code == EXIT_GOOD, f"still lacking: {printed}")
    wait_for("ARI after core reload", asterisk.serves_ari, 15, 0.1)
    code, printed = voicebot(model_url, "check", "--live")
    expect(code == 0, f"check --live ended with {code}: {printed}")


def try_out(root: Path, suite: str) -> None:
    asterisk = StockAsterisk(root)
    try:
        asterisk.configure()
        asterisk.start()
        check_version(asterisk, suite)
        with Model() as model:
            join(asterisk, model.url)
            call(asterisk, model)
    finally:
        asterisk.close()


def check_version(asterisk: Asterisk, suite: str) -> None:
    words = asterisk.cli("core show version").strip()
    print(words)
    found = re.search(r"Asterisk (\d+)\.(\d+)", words)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    good = version == VERSIONS[suite] if suite in VERSIONS else version >= AT_LEAST
    expect(good, f"not the Asterisk that this is about: {words}")


def call(asterisk: Asterisk, model: Model) -> None:
    """Greeting, three sentences answered by the scripted model, its farewell; the bot hangs up."""
    with Bot(asterisk, model.url) as bot, Phone(asterisk) as phone:
        unfit = bot.logged("asterisk_unfit")
        expect(not unfit, f"the bot finds it unfit: {unfit}")
        phone.dial("100")
        phone.wait_heard(10)
        for _ in range(3):
            phone.wait_silence(1.0)
            phone.say("What are your opening hours?")
            phone.wait_heard(10, after=time.monotonic())
        try:
            trace = phone.wait_closed(60)
        except HarnessError as error:
            raise HarnessError(f"{error}\n{bot.log_tail()}\n{asterisk.log_tail()}") from error
        row = bot.wait_ended(1)[0]
        said = [words["text"] for words in row["transcript"]]
        print(f"ended by {trace.ended_by}: {said}")
        expect(trace.ended_by == "asterisk", f"the call was ended by {trace.ended_by}")
        expect(len(said) >= 4, f"the transcript is too short: {said}")


def main() -> int:
    suite = sys.argv[1] if len(sys.argv) > 1 else ""
    if not os.environ.get(APART):
        need_root()
        begun = time.monotonic()
        inside = [
            "sh",
            "-ec",
            'ip link set lo up; exec "$@"',
            "apart",
            sys.executable,
            "-m",
            "tests.deploy.existing",
            suite,
            str(asterisk_root(suite) if suite else find_root()),
        ]
        return subprocess.run(
            ["unshare", "--net", *inside], env={**os.environ, APART: str(begun)}, check=False
        ).returncode
    try:
        try_out(Path(sys.argv[2]), suite)
    except HarnessError as error:
        print(error, file=sys.stderr)
        return 1
    seconds = time.monotonic() - float(os.environ[APART])
    print(f"an Asterisk that was there already serves the bot: {seconds:.0f} s in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
