"""A stock Asterisk, the printed lines, a call: see ``existing``, which also tries an older Asterisk."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.e2e.asterisk import PROJECT

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(240)]


def test_the_lines_make_a_stock_asterisk_serve_the_bot() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.deploy.existing"],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "lacking before: ['ari.conf', 'extensions.conf', 'http.conf']" in done.stdout
