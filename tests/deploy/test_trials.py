"""Trials that need a network of their own, each a process: ``existing`` (a stock Asterisk) and ``nat``."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.e2e.asterisk import PROJECT

pytestmark = [
    pytest.mark.asterisk,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces are root's"),
]


def trial(name: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.deploy.{name}"],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_lines_make_a_stock_asterisk_serve_the_bot() -> None:
    assert "lacking before: ['ari.conf', 'extensions.conf', 'http.conf']" in trial("existing")


@pytest.mark.speech
def test_phone_and_pbx_behind_nat_and_the_bot_on_another_host_or_behind_nat_too() -> None:
    assert "heard both ways" in trial("nat")
