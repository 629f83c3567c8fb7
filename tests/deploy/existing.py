"""An Asterisk that is already there: stock files, the lines of ``voicebot asterisk-config``, a call.

    python -m tests.deploy.existing [SUITE]

SUITE is a Debian that carries an Asterisk (bullseye has 16.28); left out, the Asterisk of the other tests.
All of it runs in a network namespace of its own: a stock Asterisk listens on more than a test may take.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bot.asterisk_config import blocks, examine
from bot.asterisk_files import AsteriskFiles
from bot.config.settings import Settings
from tests.deploy.steps import asterisk_root, need_root
from tests.e2e.asterisk import Asterisk, HarnessError, find_root
from tests.e2e.bot import Bot, Model
from tests.e2e.phone import Phone

APART = "VOICEBOT_TEST_APART"
PASSWORD = "hard-to-guess"
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

    def append(self, file: str, text: str) -> None:
        with (self.config / file).open("a") as config:
            config.write("\n" + text)


def settings() -> Settings:
    return Settings.model_validate({"asterisk": {"url": "http://127.0.0.1:8088", "password": PASSWORD}})


def try_out(root: Path) -> None:
    asterisk = StockAsterisk(root)
    try:
        asterisk.configure()
        before = list(examine(settings(), AsteriskFiles(asterisk.config), "100"))
        lacking = {finding.file for finding in before if not finding.good}
        print(f"lacking before: {sorted(lacking)}")
        expect(lacking == {"http.conf", "ari.conf", "extensions.conf"}, f"unexpected: {before}")
        files = AsteriskFiles(asterisk.config)
        for block in blocks(settings(), files, "100", "", show_password=True):
            asterisk.append(block.file, block.text)
        after = list(examine(settings(), AsteriskFiles(asterisk.config), "100"))
        expect(all(finding.good for finding in after), f"still lacking: {after}")
        call(asterisk)
    finally:
        asterisk.close()


def call(asterisk: Asterisk) -> None:
    """Greeting, three sentences answered by the scripted model, its farewell; the bot hangs up."""
    asterisk.start()
    # With every module there is, ARI answers before the dialplan is read.
    asterisk.cli("core waitfullybooted", timeout=60)
    print(asterisk.cli("core show version").strip())
    with Model() as model, Bot(asterisk, model.url) as bot, Phone(asterisk) as phone:
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


def expect(good: bool, what: str) -> None:
    if not good:
        raise HarnessError(what)


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
        ]
        root = str(asterisk_root(suite) if suite else find_root())
        return subprocess.run(
            ["unshare", "--net", *inside, root], env={**os.environ, APART: str(begun)}, check=False
        ).returncode
    try:
        try_out(Path(suite))
    except HarnessError as error:
        print(error, file=sys.stderr)
        return 1
    seconds = time.monotonic() - float(os.environ[APART])
    print(f"an Asterisk that was there already serves the bot: {seconds:.0f} s in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
