"""deploy/system.sh on a machine that lacks something: it says what."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e.asterisk import PROJECT

TOOLS = ("sh", "cat", "dirname", "mkdir", "sed", "env", "flock")


def a_machine(folder: Path, **programs: str) -> dict[str, str]:
    """An environment whose PATH holds a few tools and the given scripts."""
    path = folder / "bin"
    path.mkdir()
    for name in TOOLS:
        (path / name).symlink_to(Path("/bin") / name)
    for name, script in programs.items():
        (path / name).write_text(f"#!/bin/sh\n{script}\n")
        (path / name).chmod(0o755)
    return {"PATH": str(path)}


def system(folder: Path, env: dict[str, str], *packages: str) -> subprocess.CompletedProcess[str]:
    command = ["/bin/sh", str(PROJECT / "deploy" / "system.sh"), str(folder / "cache"), *packages]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.mark.asterisk
def test_without_root_what_is_missing_is_named(tmp_path: Path) -> None:
    env = a_machine(tmp_path, id="echo 1000", **{"apt-get": "exit 9"})
    done = system(tmp_path, env, "no-such-package")
    assert done.returncode == 5
    assert "missing: no-such-package. As root: apt-get install no-such-package" in done.stderr
    assert "no Asterisk 16 or newer in PATH" in done.stderr


def test_without_apt_what_is_missing_is_named(tmp_path: Path) -> None:
    done = system(tmp_path, a_machine(tmp_path, id="echo 0"), "no-such-package")
    assert done.returncode == 5
    assert "missing: no-such-package" in done.stderr and "no apt-get" in done.stderr


def test_a_failed_installation_shows_its_last_words(tmp_path: Path) -> None:
    env = a_machine(
        tmp_path, id="echo 0", tail="exec cat $3", **{"apt-get": "echo E: broken mirror; exit 100"}
    )
    done = system(tmp_path, env, "no-such-package")
    assert done.returncode == 5
    assert "E: broken mirror" in done.stderr and "could not install no-such-package" in done.stderr


def test_where_all_is_there_only_asterisk_is_named(tmp_path: Path) -> None:
    env = a_machine(tmp_path, id="echo 1000", asterisk="echo Asterisk 22.1.0", baresip="")
    done = system(tmp_path, env, "baresip-core")
    assert (done.returncode, done.stdout) == (0, "/\n")
