"""A process of the benchmark: spoken to in JSON lines, its CPU time and memory read from outside, never
left over.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any, Self

PROJECT = Path(__file__).resolve().parents[1]
STOP_SECONDS = 10.0
NICENESS = -10
"""Where it is allowed, so that whatever else the machine does is not measured."""
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class ChildError(RuntimeError):
    """The benchmark itself failed, not what it measures."""


class Child:
    """``python ARGUMENTS`` as a child that dies with its parent. ``log``: where its stderr goes. ``tested``:
    it has a core for itself, as far as the benchmark's own processes go, which share the others.
    """

    def __init__(
        self,
        name: str,
        arguments: list[str],
        log: Path,
        env: dict[str, str] | None = None,
        *,
        tested: bool = False,
    ) -> None:
        self.name = name
        self.log = log
        self._log_file: IO[bytes] = log.open("wb")
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, *arguments],
            cwd=PROJECT,
            env={**os.environ, **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log_file,
            start_new_session=True,
        )
        prefer(self.pid)
        os.sched_setaffinity(self.pid, cores(tested=tested))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def ask(self, timeout: float, **command: Any) -> Any:
        """Send one JSON line and return the answer to it."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._trouble("has ended") from error
        return self.answer(timeout)

    def answer(self, timeout: float) -> Any:
        """The next JSON line of its stdout."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], timeout)[0]:
            raise self._trouble(f"did not answer within {timeout:g} s")
        if not (line := self._process.stdout.readline()):
            raise self._trouble("has ended")
        return json.loads(line)

    def cpu_s(self) -> float:
        return cpu_s(self.pid)

    def waited_s(self) -> float:
        """How long its main thread has been ready to run without a core (proc(5), ``schedstat``)."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[1]) / 1e9

    def dropped(self) -> int:
        """Datagrams that the kernel dropped because this process did not read its sockets in time."""
        own = set()
        for fd in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                own.add(str(fd.readlink()))
        lines = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
        return sum(int(fields[12]) for fields in lines if f"socket:[{fields[9]}]" in own)

    def rss_bytes(self) -> int:
        return rss_bytes(self.pid)

    def close(self) -> None:
        if self.running:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._log_file):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _trouble(self, what: str) -> ChildError:
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
        return ChildError(f"{self.name} {what}\n{tail}")


def cores(*, tested: bool) -> set[int]:
    """The last core this process may use, or all others; with one core there is no choice."""
    *others, last = sorted(os.sched_getaffinity(0))
    return {last} if tested or not others else set(others)


def cpu_s(pid: int) -> float:
    """CPU time of a whole process so far, to the nanosecond: by its clock, as clock_getcpuclockid(3)
    numbers it.
    """
    return time.clock_gettime(~pid << 3 | 2)


def rss_bytes(pid: int | str) -> int:
    """Resident memory of a process; ``"self"`` is this one."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def prefer(pid: int) -> None:
    """Give a process the machine before others, where that is allowed."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, NICENESS)
    with contextlib.suppress(OSError):  # sched(7): within a session only, unless it has its own
        Path(f"/proc/{pid}/autogroup").write_text(str(NICENESS))


def reply(answer: object) -> None:
    """In the child: one answer, as a JSON line."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
