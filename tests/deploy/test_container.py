"""The entries of the containers, run by a shell of this machine: secrets, health, ports that are taken."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.e2e.asterisk import PROJECT

BOT = (PROJECT / "deploy" / "container" / "bot").read_text()
#: Up to where it begins to write.
ASTERISK = (PROJECT / "asterisk" / "container").read_text().partition("umask 077")[0]


def run(script: str, folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """With a `voicebot` that prints its environment, and a `python` that prints the URL it is to ask."""
    for name, text in (("voicebot", "env"), ("python", 'echo "$3"')):
        program = folder / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    return subprocess.run(
        ["sh", "-s", "--", *arguments],
        input=script,
        env={"PATH": f"{folder}:{os.environ['PATH']}", **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name in ("openai_api_key", "ari_password"):
        (folder / name).write_text("x")
    return folder


@pytest.mark.parametrize("command", ["run", "check", "call"])
def test_every_command_finds_the_secrets(tmp_path: Path, secrets: Path, command: str) -> None:
    done = run(BOT.replace("/etc/voicebot/secrets", str(secrets)), tmp_path, command)
    assert f"OPENAI_API_KEY_FILE={secrets}/openai_api_key" in done.stdout
    assert f"ARI_PASSWORD_FILE={secrets}/ari_password" in done.stdout


def test_what_the_environment_gives_counts(tmp_path: Path, secrets: Path) -> None:
    script = BOT.replace("/etc/voicebot/secrets", str(secrets))
    done = run(script, tmp_path, "check", ARI_PASSWORD="given", OPENAI_API_KEY="given")
    assert "_FILE=" not in done.stdout


def test_only_run_waits_for_a_password(tmp_path: Path) -> None:
    script = BOT.replace("/etc/voicebot/secrets", str(tmp_path)).replace("WAIT_SECONDS=60", "WAIT_SECONDS=0")
    assert run(script, tmp_path, "check").returncode == 0
    done = run(script, tmp_path, "run")
    assert done.returncode == 2
    assert "no password of ARI: write it to deploy/secrets/ari_password" in done.stderr


@pytest.mark.parametrize(
    ("bind", "host"),
    [
        ("", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "[::1]"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "[2001:db8::1]"),
    ],
)
def test_health_is_asked_where_the_bot_listens(tmp_path: Path, bind: str, host: str) -> None:
    done = run(BOT, tmp_path, "--healthy", WEB_BIND=bind, WEB_PORT="9000")
    assert done.stdout == f"http://{host}:9000/readyz\n"


@pytest.mark.parametrize(
    ("held", "wanted", "clash"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "0.0.0.0", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
    ],
)
def test_a_port_that_is_taken_is_named(tmp_path: Path, held: str, wanted: str, clash: bool) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sip,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as ari,
    ):
        sip.bind((held, 0))
        ari.bind((held, 0))
        ari.listen()
        for listener, port, name in ((sip, "SIP_PORT", "UDP"), (ari, "ARI_PORT", "TCP")):
            number = str(listener.getsockname()[1])
            # The other of the two is nobody's.
            env = {"SIP_PORT": "1", "ARI_PORT": "1", port: number, "SIP_BIND": wanted, "ARI_BIND": wanted}
            done = run(ASTERISK, tmp_path, **env)
            assert done.returncode == (5 if clash else 0), done.stderr
            if clash:
                assert f"{name} port {number} is taken" in done.stderr
                assert f"set {port}" in done.stderr
