"""The demo as a person runs it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.asterisk import PROJECT


def start(*arguments: str | Path, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "demo", *arguments],
        cwd=PROJECT,
        env={**os.environ, "COLUMNS": "160", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.asterisk
@pytest.mark.speech
@pytest.mark.timeout(240)
def test_one_call_in_speech_from_greeting_to_hang_up(tmp_path: Path) -> None:
    with start("--out", tmp_path, OPENAI_API_KEY="") as child:
        said = child.communicate()[0]
    assert child.returncode == 0, said
    assert "failed" not in said and "hung up by" in said
    assert "caller What are your opening hours?" in said
    assert all((tmp_path / name).stat().st_size > 10_000 for name in ("call.wav", "phone.wav", "call.png"))


@pytest.mark.asterisk
@pytest.mark.speech
@pytest.mark.timeout(120)
def test_the_stack_stays_up_until_it_is_interrupted_and_keeps_its_password(tmp_path: Path) -> None:
    passwords = []
    for _ in range(2):
        with start("--keep", "--var", tmp_path, "--port", "15260", OPENAI_API_KEY="") as child:
            assert child.stdout is not None
            for line in child.stdout:
                if "password" in line:
                    passwords.append(line.split()[1])
                if "Ctrl-C" in line:
                    break
            time.sleep(1)
            assert child.poll() is None
            child.send_signal(signal.SIGINT)
            assert "stopped" in child.stdout.read()
        assert child.returncode == 0
    assert passwords[0] == passwords[1] == (tmp_path / "asterisk/etc/secrets/phone").read_text()


def test_a_bad_configuration_is_one_clear_line(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("barge_inn: {}\n")
    with start("--config", config) as child:
        said = child.communicate()[0]
    assert child.returncode == 2
    assert "barge_inn" in said and "Traceback" not in said
