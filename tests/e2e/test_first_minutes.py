"""Mistakes of a new operator: each is met with one line that helps, no traceback, and its exit code.

Others of this kind, about the configuration and the model, are in ``test_faults``; what ``asterisk-config``
finds in Asterisk's files is in ``tests/deploy/test_asterisk_config.py``.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.asterisk import PROJECT, Asterisk, free_port
from tests.e2e.bot import Bot, Model, settled
from tests.e2e.conftest import MakeAsterisk, MakePhone
from tests.e2e.proxy import Impairment
from tests.fakes.old_asterisk import old_asterisk

pytestmark = pytest.mark.asterisk

#: Nobody's address on this machine, though it is loopback's: what is sent there is lost without a word.
NOWHERE = "127.9.9.9"


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with Model() as running:
        yield running


def check_live(folder: Path, url: str, password: str, model_url: str, **rtp: object) -> tuple[int, str]:
    """``voicebot check --live``: its exit code and all that it printed."""
    first = free_port()
    settings = {
        "provider_name": "offline",
        "asterisk": {"url": url},
        "offline": {"url": model_url},
        "media": {"rtp": {"ports": f"{first}-{first + 299}", **rtp}},
    }
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(settings))
    done = subprocess.run(
        [sys.executable, "-m", "bot", "check", "--live", "--config", str(config)],
        cwd=PROJECT,
        env={**os.environ, "ARI_PASSWORD": password},
        capture_output=True,
        text=True,
        check=False,
    )
    words = done.stdout + done.stderr
    assert "Traceback" not in words
    return done.returncode, words


def test_all_is_well_beside_a_bot_that_serves_calls(
    asterisk: Asterisk, make_phone: MakePhone, model: Model, tmp_path: Path
) -> None:
    with Bot(asterisk, model.url) as bot:
        phone = make_phone()
        phone.dial("100")
        phone.wait_heard(5)
        code, words = check_live(tmp_path, asterisk.ari_url, asterisk.ari_password, model.url)
        assert (code, words.count("good.")) == (0, 4), words
        assert not bot.logged("application_replaced")
        assert phone.trace().ended is None
        phone.hangup()
        bot.wait_ended(1)
    settled(asterisk)


def test_a_wrong_port_in_ari_url(asterisk: Asterisk, model: Model, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    code, words = check_live(tmp_path, url, asterisk.ari_password, model.url)
    assert code == 3
    assert f"at {url}" in words
    assert "is Asterisk running, with enabled=yes in http.conf?" in words
    with Bot(asterisk, model.url) as bot:
        code, words = check_live(tmp_path, f"http://127.0.0.1:{bot.web_port}", "any", model.url)
    assert code == 3
    assert "a web server answers, but it has no ARI: compare asterisk.url (ARI_URL) with bindport" in words


def test_the_web_server_of_asterisk_is_off(make_asterisk: MakeAsterisk, model: Model, tmp_path: Path) -> None:
    asterisk = make_asterisk()
    http = asterisk.config / "http.conf"
    http.write_text(http.read_text().replace("enabled = yes", "enabled = no"))
    asterisk.cli("module reload http")
    code, words = check_live(tmp_path, asterisk.ari_url, asterisk.ari_password, model.url)
    assert code == 3
    assert "enabled=yes in http.conf" in words


def test_ari_is_off(make_asterisk: MakeAsterisk, model: Model, tmp_path: Path) -> None:
    asterisk = make_asterisk()
    asterisk.cli("module unload res_ari_events.so")
    code, words = check_live(tmp_path, asterisk.ari_url, asterisk.ari_password, model.url)
    assert code == 3
    assert "res_ari_events.so" in words


def test_a_wrong_password(asterisk: Asterisk, model: Model, tmp_path: Path) -> None:
    code, words = check_live(tmp_path, asterisk.ari_url, "not-it", model.url)
    assert code == 3
    assert "compare user name and password with ari.conf" in words


def test_an_old_asterisk(model: Model, tmp_path: Path) -> None:
    with old_asterisk("13.38.3") as url:
        code, words = check_live(tmp_path, url, "any", model.url)
    assert code == 3
    assert "Asterisk 13.38.3 is too old: ExternalMedia needs 16.6 or newer" in words


def test_the_model_does_not_answer(asterisk: Asterisk, tmp_path: Path) -> None:
    code, words = check_live(
        tmp_path, asterisk.ari_url, asterisk.ari_password, "ws://127.0.0.1:9/v1/realtime"
    )
    assert code == 4
    assert "127.0.0.1:9" in words


def test_audio_that_does_not_arrive_is_found_before_the_first_call(
    asterisk: Asterisk, model: Model, tmp_path: Path
) -> None:
    code, words = check_live(
        tmp_path, asterisk.ari_url, asterisk.ari_password, model.url, external_host=NOWHERE
    )
    assert code == 3
    assert f"nothing comes to {NOWHERE}:" in words
    assert "a firewall must let UDP" in words
    settled(asterisk)


def test_audio_that_does_not_arrive_is_named_in_the_log(
    asterisk: Asterisk, make_phone: MakePhone, model: Model
) -> None:
    with Bot(asterisk, model.url, media={"rtp": {"external_host": NOWHERE}}) as bot:
        phone = make_phone()
        phone.dial("100")
        cause = bot.wait_logged("no_audio_from_asterisk")["cause"]
        phone.hangup()
        bot.wait_ended(1)
    assert f"nothing comes to {NOWHERE}:" in cause


def test_a_phone_that_sends_nothing_is_named_in_the_log(
    make_asterisk: MakeAsterisk, make_phone: MakePhone, model: Model
) -> None:
    """Asterisk knows how many packets it had from the phone, so nobody looks for a firewall near the bot."""
    asterisk = make_asterisk()
    with Bot(asterisk, model.url) as bot:
        phone = make_phone(at=asterisk)
        phone.relay.from_phone = Impairment(loss=1.0)
        phone.dial("100")
        cause = bot.wait_logged("no_audio_from_asterisk")["cause"]
        phone.hangup()
        bot.wait_ended(1)
    assert cause.startswith("the phone sends no audio to Asterisk")


def test_no_key_and_no_embedded_model(asterisk: Asterisk, tmp_path: Path) -> None:
    """As after ``install.sh`` without ``--offline``: the packages of the embedded model are not there."""
    (tmp_path / "faster_whisper.py").write_text("raise ImportError('No module named faster_whisper')")
    bot = Bot(asterisk, "", env={"PYTHONPATH": str(tmp_path)})
    bot.start()
    assert bot.process is not None
    try:
        assert bot.process.wait(30) == 2, "trying again would not help, so systemd does not"
    finally:
        bot.process.close()
    assert "Traceback" not in bot.log_tail()
    assert "For OpenAI set OPENAI_API_KEY. It is installed by deploy/install.sh --offline" in bot.log_tail()


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bot", "run", "--config", str(tmp_path / "confg.yaml")],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.strip().endswith("no such file: name another with --config")


def test_install_sh_without_root() -> None:
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    command = ["sh", "-s"] if os.geteuid() else [*nobody, "sh", "-s"]
    script = (PROJECT / "deploy" / "install.sh").read_text()
    done = subprocess.run(command, input=script, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "this needs root" in done.stderr


def test_port_5060_taken(tmp_path: Path) -> None:
    """The container of Asterisk and ``make run`` say so; Asterisk itself would go on without a phone."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        done = subprocess.run(
            ["sh", PROJECT / "asterisk" / "container"],
            env={**os.environ, "SIP_PORT": str(port)},
            capture_output=True,
            text=True,
            check=False,
        )
        make_run = subprocess.run(
            [sys.executable, "-m", "demo", "--keep", "--port", str(port), "--var", str(tmp_path)],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    assert done.returncode == 5
    assert f"UDP port {port} is taken" in done.stderr
    assert "SIP_PORT" in done.stderr
    assert make_run.returncode == 5
    assert "end what holds it, or name another place with --address or --port" in make_run.stdout
