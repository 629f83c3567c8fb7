"""What goes wrong, and what a person is told: one line with a remedy, an exit code, no traceback."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.asterisk import PROJECT, Asterisk, free_port, wait_for
from tests.e2e.bot import Bot, Model, settled
from tests.e2e.conftest import MakeAsterisk, MakePhone

pytestmark = pytest.mark.asterisk


RunCli = Callable[..., tuple[int, str]]


@pytest.fixture
def run_cli() -> RunCli:
    """The ``voicebot`` command: its exit code and all that it printed."""

    def run(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "bot", *arguments]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with Model() as running:
        yield running


def ended(bot: Bot, code: int) -> str:
    """The bot's words, once it has ended with ``code``."""
    bot.start()
    assert bot.process is not None
    try:
        assert bot.process.wait(20) == code
    finally:
        bot.process.close()
    text = bot.log_tail()
    assert "Traceback" not in text
    return text


def test_a_wrong_ari_password(asterisk: Asterisk, model: Model) -> None:
    bot = Bot(asterisk, model.url, env={"ARI_PASSWORD": "not-it"})
    text = ended(bot, 3)
    assert "password" in text
    assert "not-it" not in text


def test_a_refused_key(asterisk: Asterisk) -> None:
    with Model(arguments=["--api-key", "right"]) as guarded:
        openai = {"base_url": guarded.url, "api_key": "sk-wrong-wrong-wrong", "model": "gpt-realtime-2.1"}
        text = ended(Bot(asterisk, "", provider_name="openai", openai=openai), 4)
    assert "check openai.api_key" in text
    assert "sk-wrong" not in text


def test_an_unknown_model(asterisk: Asterisk, model: Model) -> None:
    openai = {"base_url": model.url, "api_key": "sk-any-any-any-any", "model": "gpt-unreal"}
    assert "check openai.model" in ended(Bot(asterisk, "", provider_name="openai", openai=openai), 4)


def test_the_beta_header_on_a_ga_server(asterisk: Asterisk, model: Model) -> None:
    openai = {"base_url": model.url, "dialect": "beta", "api_key": "sk-any-any-any-any"}
    assert "openai.dialect" in ended(Bot(asterisk, "", provider_name="openai", openai=openai), 4)


def test_a_missing_key(asterisk: Asterisk) -> None:
    assert "OPENAI_API_KEY" in ended(Bot(asterisk, "", provider_name="openai", openai={"api_key": ""}), 2)


def test_a_taken_web_port(asterisk: Asterisk, model: Model) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        assert "web.port" in ended(Bot(asterisk, model.url, web={"port": holder.getsockname()[1]}), 5)


def test_records_that_cannot_be_written(asterisk: Asterisk, model: Model) -> None:
    text = ended(Bot(asterisk, model.url, records={"database": "/proc/nowhere/calls.sqlite"}), 5)
    assert "records.database" in text


def test_an_embedded_model_that_is_away_is_retried(asterisk: Asterisk, make_phone: MakePhone) -> None:
    """Callers who come meanwhile hear the dialplan's apology."""
    bot = Bot(asterisk, "ws://127.0.0.1:9/v1/realtime")
    bot.start()
    try:
        bot.wait_logged("ready", 20)
        assert bot.logged("model_unreachable")
        assert bot.get("/readyz") == (503, "the embedded model does not answer\n")
        phone = make_phone()
        phone.dial("100")
        assert phone.wait_closed(20).ended_by == "asterisk"
        row = bot.wait_ended(1)[0]
    finally:
        bot.__exit__()
    assert (row["outcome"], row["reason"]) == ("continue", "model_unavailable")
    assert "refused=model" in asterisk.log_tail(100)


def test_rtp_ports_that_run_out(asterisk: Asterisk, make_phone: MakePhone, model: Model) -> None:
    """Somebody else holds the second of two; the caller who would need it goes on in the dialplan."""
    first = free_port() // 2 * 2
    rtp = {"ports": f"{first}-{first + 3}"}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", first + 2))
        with Bot(asterisk, model.url, calls={"max_calls": 2}, media={"rtp": rtp}) as bot:
            one, other = make_phone(), make_phone("201")
            one.dial("100")
            one.wait_heard(5)
            other.dial("100")
            assert other.wait_closed(20).ended_by == "asterisk"
            assert "widen media.rtp.ports, or see what holds them" in bot.wait_logged("no_media")["error"]
            assert one.trace().ended is None, "the call in progress goes on"
            one.hangup()
            rows = bot.wait_ended(2)
            assert bot.metric("voicebot_rtp_ports_free") == 2
    assert [row["reason"] for row in rows] == ["caller hung up", "no_media"]
    assert "refused=media" in asterisk.log_tail(100)


def test_asterisk_that_comes_late(make_asterisk: MakeAsterisk, make_phone: MakePhone, model: Model) -> None:
    asterisk = make_asterisk()
    asterisk.stop()
    bot = Bot(asterisk, model.url)
    bot.start()
    try:
        wait_for("a word about Asterisk", lambda: bot.logged("ari_unreachable"), 20, 0.1)
        assert bot.process is not None
        assert bot.process.returncode is None
        asterisk.start()
        bot.wait_logged("ari_connected", 15)
        phone = make_phone(at=asterisk)
        phone.dial("100")
        phone.wait_heard(5)
        phone.hangup()
        bot.wait_ended(1)
    finally:
        bot.__exit__()


def test_asterisk_that_dies_with_calls(
    make_asterisk: MakeAsterisk, make_phone: MakePhone, model: Model
) -> None:
    """Calls end, ports and tasks are free again, and the next call is answered by the same bot."""
    asterisk = make_asterisk()
    with Bot(asterisk, model.url) as bot:
        phone = make_phone(at=asterisk)
        phone.dial("100")
        phone.wait_heard(5)
        asterisk.kill()
        asterisk.start()
        row = bot.wait_ended(1, timeout=25)[0]
        assert row["ended_by"] == "asterisk"
        assert bot.metric("voicebot_rtp_ports_free") == 500
        wait_for("the bot to be connected", lambda: bot.get("/readyz")[0] == 200, 15, 0.1)
        again = make_phone("201", at=asterisk)
        again.dial("100")
        again.wait_heard(5)
        again.hangup()
        bot.wait_ended(2)


def test_a_missing_module_is_named(make_asterisk: MakeAsterisk, model: Model) -> None:
    asterisk = make_asterisk()
    asterisk.cli("module unload chan_rtp.so")
    with Bot(asterisk, model.url) as bot:
        assert "chan_rtp.so" in bot.wait_logged("asterisk_unfit")["finding"]


def test_a_frozen_asterisk_is_noticed_within_ten_seconds(make_asterisk: MakeAsterisk, model: Model) -> None:
    asterisk = make_asterisk()
    with Bot(asterisk, model.url) as bot:
        asterisk.freeze()
        began = time.monotonic()
        try:
            wait_for("the bot to be unready", lambda: bot.get("/readyz")[0] == 503, 15, 0.1)
            assert time.monotonic() - began < 10
        finally:
            asterisk.thaw()
        wait_for("the bot to be ready again", lambda: bot.get("/readyz")[0] == 200, 15, 0.1)


def test_a_model_that_dies_in_a_call(asterisk: Asterisk, make_phone: MakePhone) -> None:
    """The caller hears the dialplan's apology, not silence."""
    with Model() as mortal, Bot(asterisk, mortal.url) as bot:
        phone = make_phone()
        phone.dial("100")
        phone.wait_heard(5)
        phone.wait_silence(0.5)
        assert mortal.process is not None
        mortal.process.close()
        trace = phone.wait_closed(20)
        row = bot.wait_ended(1)[0]
        settled(asterisk)
        assert bot.get("/readyz") == (503, "the embedded model does not answer\n")
    assert (row["outcome"], row["reason"]) == ("continue", "model_lost")
    assert trace.ended_by == "asterisk"
    assert "refused=model" in asterisk.log_tail(100)


def test_what_a_killed_bot_left_is_swept_away(
    asterisk: Asterisk, make_phone: MakePhone, model: Model
) -> None:
    bot = Bot(asterisk, model.url)
    bot.__enter__()
    try:
        phone = make_phone()
        phone.dial("100")
        phone.wait_heard(5)
        assert bot.process is not None
        bot.process.kill()
        phone.hangup()
        wait_for("a bridge to be left", asterisk.bridges, 5)
        bot.start()
        settled(asterisk, 20)
        wait_for("the bot to be ready", lambda: bot.get("/readyz")[0] == 200, 15, 0.1)
        assert [row["outcome"] for row in bot.calls()] == ["lost"]
    finally:
        bot.__exit__()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("calls: {max_calls: [}", "config.yaml:1"),
        ("vad: {webrtc_agressiveness: 1}", "webrtc_aggressiveness"),
        ("openai: {modalities: [audio]}", "Invalid modalities: ['audio']."),
    ],
)
def test_a_bad_configuration(text: str, expected: str, tmp_path: Path, run_cli: RunCli) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(text)
    code, output = run_cli("check", "--config", str(config))
    assert code == 2
    assert expected in output
    assert "Traceback" not in output
