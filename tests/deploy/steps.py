"""What the trials of a fresh machine share: steps with their times, commands, Debian trees."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.asterisk import PROJECT, HarnessError, cache_folder

TREE_SCRIPT = PROJECT / "tests" / "deploy" / "tree.sh"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# Not needed in a tree that becomes an image's base.
LEFT_OUT = ("dev", "proc", "sys", "var/cache/apt", "usr/share/doc", "usr/share/man", "usr/share/locale")


@contextmanager
def step(what: str) -> Iterator[None]:
    """Prints what is being done, then how long it took."""
    print(f"{what} …", flush=True)
    begun = time.monotonic()
    yield
    print(f"  {time.monotonic() - begun:.1f} s", flush=True)


def run(
    command: Sequence[str | Path],
    *,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
    timeout: float = 900,
) -> str:
    """What ``command`` printed (both streams), which also goes to ``log``; HarnessError when it fails."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=PROJECT,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    if log is not None:
        with log.open("a") as file:
            file.write(done.stdout)
    if check and done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-40:])
        raise HarnessError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{tail}")
    return done.stdout


def expect(good: bool, what: str) -> None:
    if not good:
        raise HarnessError(what)


def need_root() -> None:
    """Namespaces, chroot and apt-get are root's."""
    if os.geteuid() != 0:
        sys.exit("this trial sets up machines of its own and needs root")


@contextmanager
def trial_folder(name: str) -> Iterator[Path]:
    """Gone afterwards, but for what is mounted there."""
    folder = Path(tempfile.mkdtemp(prefix=f"voicebot-{name}-", dir="/var/tmp"))
    try:
        yield folder
    finally:
        run(["rm", "-rf", "--one-file-system", folder], check=False)


def install(packages: Sequence[str], log: Path) -> None:
    """Debian packages that are missing here."""
    missing = [name for name in packages if not _installed(name)]
    if missing:
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "-q"], log=log, env=quiet)
        run(["apt-get", "install", "-qy", "--no-install-recommends", *missing], log=log, env=quiet)


def tree(suite: str) -> Path:
    """A tar file of a minimal Debian ``suite``, made once in the cache folder (a minute or two)."""
    excluded = [f"--exclude=./{name}/*" for name in LEFT_OUT]
    folder = cache_folder() / "trees"
    file = folder / f"{suite}.tar"
    if file.exists():
        return file
    folder.mkdir(parents=True, exist_ok=True)
    log, root = folder / f"{suite}.log", folder / suite
    try:
        run([TREE_SCRIPT, suite, root], log=log)
        partial = file.with_suffix(".partial")
        run(["tar", "-C", root, *excluded, "-cf", partial, "."], log=log)
        partial.rename(file)
    finally:
        run(["rm", "-rf", "--one-file-system", root])
    return file


def asterisk_root(suite: str) -> Path:
    """A root file system with the Asterisk of a Debian ``suite``, made once in the cache folder."""
    root = cache_folder() / f"asterisk-{suite}"
    if not root.exists():
        partial = root.with_suffix(".partial")
        root.parent.mkdir(parents=True, exist_ok=True)
        run([TREE_SCRIPT, suite, partial, "asterisk"], log=root.with_suffix(".log"))
        partial.rename(root)
    return root


def _installed(package: str) -> bool:
    return "ok installed" in run(["dpkg-query", "-W", "-f", "${Status}", package], check=False)
