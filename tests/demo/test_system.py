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


def system(
    folder: Path, env: dict[str, str], *packages: str, own: bool = False
) -> subprocess.CompletedProcess[str]:
    command = ["/bin/sh", str(PROJECT / "deploy" / "system.sh"), *(["--own"] if own else [])]
    command += [str(folder / "cache"), *packages]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.mark.asterisk
def test_without_root_what_is_missing_is_named(tmp_path: Path) -> None:
    env = a_machine(tmp_path, id="echo 1000", **{"apt-get": "exit 9"})
    done = system(tmp_path, env, "no-such-package")
    assert done.returncode == 5
    assert "missing: no-such-package. As root: apt-get install no-such-package" in done.stderr
    assert "no Asterisk 16.6 or newer in PATH" in done.stderr


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


@pytest.mark.parametrize(
    ("version", "will_do"),
    [
        ("22.1.0", True),
        ("16.28.0~dfsg-0+deb11u4", True),
        ("certified/18.9-cert1", True),
        ("16.2.1", False),
        ("GIT-master-1234", False),
    ],
)
def test_where_all_is_there_only_asterisk_is_named(tmp_path: Path, version: str, will_do: bool) -> None:
    env = a_machine(tmp_path, id="echo 1000", asterisk=f"echo 'Asterisk {version}'", baresip="")
    done = system(tmp_path, env, "baresip-core")
    assert (done.returncode, done.stdout) == ((0, "/\n") if will_do else (5, ""))


def test_tests_do_not_touch_the_asterisk_of_a_pbx(tmp_path: Path) -> None:
    env = a_machine(tmp_path, id="echo 1000", asterisk="echo Asterisk 22.1.0", baresip="")
    done = system(tmp_path, env, "baresip-core", own=True)
    assert done.returncode == 5
    assert "the Asterisk of the tests, in a root file system of its own, needs root" in done.stderr


def test_root_of_a_container_without_privileges_is_told(tmp_path: Path) -> None:
    env = a_machine(tmp_path, id="echo 0", unshare="exit 1", baresip="")
    done = system(tmp_path, env, "baresip-core")
    assert done.returncode == 5
    assert "root may not mount here (a container without privileges?)" in done.stderr
