"""A real SIP phone, baresip, driven from a test: dials, speaks when told, and notes exactly what came when.

All its traffic passes a :class:`~tests.e2e.proxy.Relay`, from which times and audio are read and on which
impairments are set. The methods block: an asyncio test calls them through ``asyncio.to_thread``.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.e2e.asterisk import Asterisk, HarnessError, free_port, wait_for
from tests.e2e.proxy import Message, Packet, Relay
from tests.e2e.sound import RATE_HZ, TABLES, Pcm, audible, decode, speak, timeline, write_wav

# After a sentence the phone goes on sending silence for this long, as a phone without suppression does.
TAIL_SECONDS = 300

CONFIG = """\
poll_method epoll
sip_listen 127.0.0.1:{sip}
net_interface 127.0.0.1
call_local_timeout 120
call_max_calls 4
audio_source aufile,{folder}/silence.wav
audio_player aufile,none
audio_alert aufile,none
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_txmode poll
rtp_ports {rtp}-{rtp_end}
module_path {modules}
module g711.so
module aufile.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{ctrl}
ringback_disabled yes
statmode_default off
"""


class Event(NamedTuple):
    """What baresip reported: ``CALL_ESTABLISHED``, ``CALL_CLOSED``, ``REGISTER_OK`` … with its ``param``."""

    time: float
    type: str
    param: str


@dataclass(frozen=True)
class Trace:
    """One call as the wire saw it; times are ``time.monotonic`` seconds, ``None`` when it did not happen."""

    call_id: str
    messages: list[Message]
    packets: list[Packet]

    def _first(self, wanted: Callable[[Message], bool]) -> Message | None:
        return next((message for message in self.messages if wanted(message)), None)

    def _time(self, wanted: Callable[[Message], bool]) -> float | None:
        found = self._first(wanted)
        return found.time if found else None

    @property
    def invited(self) -> float:
        """The first INVITE."""
        return self.messages[0].time

    @property
    def ringing(self) -> float | None:
        """The first 180 or 183."""
        return self._time(lambda m: m.method == "INVITE" and m.status in (180, 183))

    @property
    def answered(self) -> float | None:
        """The first 200 to the INVITE."""
        return self._time(lambda m: m.method == "INVITE" and m.status == 200)

    @property
    def ended(self) -> float | None:
        """The BYE, or the CANCEL, or the INVITE's refusal."""
        return self._time(self._ends)

    @property
    def ended_by(self) -> str:
        """``phone`` or ``asterisk``: who sent that; empty while the call lives."""
        found = self._first(self._ends)
        return "" if found is None else "phone" if found.from_phone else "asterisk"

    @property
    def status(self) -> int:
        """The INVITE's final status (a 401 that was answered does not count); 0 while it rings."""
        found = self._first(lambda m: m.method == "INVITE" and m.status >= 200 and m.status not in (401, 407))
        return found.status if found else 0

    @staticmethod
    def _ends(message: Message) -> bool:
        if message.method in ("BYE", "CANCEL"):
            return message.status == 0
        return message.method == "INVITE" and message.status >= 300 and message.status not in (401, 407)

    @property
    def first_audible(self) -> float | None:
        """When the first packet louder than −45 dBFS reached the phone."""
        return next((p.time for p in self._to_phone() if audible(p)), None)

    @property
    def last_audible(self) -> float | None:
        """When the last such packet reached the phone."""
        return next((p.time for p in reversed(self._to_phone()) if audible(p)), None)

    @property
    def start(self) -> float:
        """Sample 0 of :meth:`heard` and :meth:`said`: the answer, else the INVITE."""
        return self.answered or self.invited

    def heard(self) -> Pcm:
        """What reached the phone, on the time line from ``start``."""
        return timeline(self._to_phone(), self.start)

    def said(self) -> Pcm:
        """What left the phone (before impairments), on the same time line."""
        return timeline((p for p in self.packets if p.from_phone), self.start)

    def in_order(self, *, from_phone: bool) -> Pcm:
        """What left the phone, or reached it, packet after packet, whenever each came."""
        packets = [p for p in self.packets if p.from_phone] if from_phone else self._to_phone()
        voices = [
            decode(p.payload, p.payload_type) for p in packets if not p.rtcp and p.payload_type in TABLES
        ]
        return np.concatenate([np.zeros(0, np.int16), *voices])

    def record(self, path: Path) -> None:
        """A stereo WAV: the phone's user left, what was heard right."""
        write_wav(path, self.said(), self.heard())

    def _to_phone(self) -> list[Packet]:
        return [p for p in self.packets if not p.from_phone and p.copies and not p.rtcp]


class Phone:
    """``with Phone(asterisk) as phone: phone.dial("100"); phone.say("Hello")``. Ends with its thread."""

    def __init__(
        self,
        asterisk: Asterisk,
        account: str = "phone",
        *,
        auto_answer: bool = False,
        codec: str = "pcmu",
        relay: type[Relay] = Relay,
    ) -> None:
        self.asterisk = asterisk
        self.account = account
        self.auto_answer = auto_answer
        self.codec = codec
        self.events: list[Event] = []
        self.folder = Path(tempfile.mkdtemp(prefix="voicebot-phone-", dir="/tmp"))
        self.relay = relay(("127.0.0.1", asterisk.sip_port))
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._reader: threading.Thread | None = None
        self._sentences = 0

    def __enter__(self) -> Phone:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    # -- life

    def start(self) -> None:
        """Start baresip and wait until it is registered (about 0.1 s). Between asking for a free port and
        taking it, another test may: then others are tried."""
        for last in (False, False, True):
            try:
                self._start()
                return
            except HarnessError as error:
                if last or "Address already in use" not in str(error):
                    raise

    def _start(self) -> None:
        control = free_port()
        self._configure(control)
        with (self.folder / "baresip.log").open("wb") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "baresip", "-f", str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._control = wait_for("baresip's control port", lambda: self._connect(control), 5)
            self._reader = threading.Thread(target=self._read, args=(self._control,), daemon=True)
            self._reader.start()
            wait_for("the phone's registration", self._registered, 5)
        except HarnessError as error:
            raise HarnessError(f"{error}\n{self.log()}") from None

    def close(self) -> None:
        """End baresip and the relay, and remove the folder."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(3)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._control:
            self._control.close()
        if self._reader:
            self._reader.join(2)
        self.relay.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """What baresip printed."""
        file = self.folder / "baresip.log"
        return file.read_text(errors="replace") if file.exists() else ""

    # -- calls

    def dial(self, extension: str, *, answered_within: float | None = 10.0) -> None:
        """Call ``extension``; waits for the answer unless ``answered_within`` is ``None``."""
        before = len(self.events)
        self.command("dial", extension)
        if answered_within is not None:
            self.wait_event("CALL_ESTABLISHED", answered_within, after=before)

    def hangup(self) -> None:
        """End the call; also declines one that rings here."""
        self.command("hangup")

    def accept(self) -> None:
        """Answer the call that rings here."""
        self.command("accept")

    def hold(self) -> None:
        self.command("hold")

    def unhold(self) -> None:
        self.command("resume")

    def blind_transfer(self, extension: str) -> None:
        """REFER the far end to ``extension``."""
        self.command("transfer", f"sip:{extension}@127.0.0.1:{self.asterisk.sip_port}")

    def dtmf(self, digits: str, pause: float = 0.25) -> None:
        """Send digits as RFC 4733 telephone-events."""
        for digit in digits:
            self.command("sndcode", digit)
            time.sleep(pause)

    def say(self, words: str | Pcm, *, wait: bool = True) -> float:
        """Speak (espeak-ng, or samples) into the call, in place of anything still being said.

        Then silence goes on. Returns the length in seconds, after it was said unless ``wait`` is false.
        """
        pcm = speak(words) if isinstance(words, str) else words
        self._source(np.concatenate([pcm, np.zeros(TAIL_SECONDS * RATE_HZ, np.int16)]))
        seconds = len(pcm) / RATE_HZ
        if wait:
            time.sleep(seconds)
        return seconds

    def will_say(self, pcm: Pcm) -> None:
        """What the next call says from its first packet on, to the sample; then silence, as ever."""
        write_wav(self.folder / "silence.wav", np.pad(pcm, (0, TAIL_SECONDS * RATE_HZ)))

    def quiet(self) -> None:
        """Send silence from now on."""
        self.say(np.zeros(0, np.int16))

    def suppress(self, on: bool = True) -> None:
        """Send no RTP from now on, as silence suppression does, or (``False``) send again."""
        self.relay.suppress = on

    # -- what happened

    def wait_event(self, type: str, timeout: float, *, after: int = 0) -> Event:
        """The first event of a type among ``events[after:]``."""

        def found() -> Event | None:
            return next((event for event in self.events[after:] if event.type == type), None)

        try:
            return wait_for(f"{type} at phone {self.account}", found, timeout)
        except HarnessError as error:
            seen = [f"{event.type} {event.param}" for event in self.events]
            raise HarnessError(f"{error}; saw {seen}") from None

    def wait_closed(self, timeout: float = 30.0) -> Trace:
        """Until the latest call is over; then all about it."""
        wait_for(f"the end of the call at {self.account}", lambda: self.trace().ended, timeout)
        return self.trace()

    def wait_incoming(self, timeout: float = 10.0) -> Event:
        """Until a call rings here."""
        return self.wait_event("CALL_INCOMING", timeout)

    def wait_heard(self, timeout: float = 10.0, *, after: float = 0.0) -> float:
        """When the first audible packet later than ``after`` (monotonic) came to the latest call's phone."""

        def found() -> float | None:
            packets = self.trace().packets
            return next((p.time for p in packets if not p.from_phone and p.time > after and audible(p)), None)

        return wait_for(f"audio at phone {self.account}", found, timeout, every=0.05)

    def wait_silence(self, seconds: float = 1.0, timeout: float = 30.0) -> float:
        """Until nothing audible came for ``seconds``; when the last audible packet came."""

        def found() -> float | None:
            last = self.trace().last_audible
            return last if last and time.monotonic() - last >= seconds else None

        return wait_for(f"{seconds:g} s of silence at {self.account}", found, timeout, every=0.05)

    def traces(self) -> list[Trace]:
        """Every call of this phone, in the order of their INVITEs."""
        messages, packets = list(self.relay.messages), list(self.relay.packets)
        ids = dict.fromkeys(m.call_id for m in messages if m.method == "INVITE")
        return [
            Trace(i, [m for m in messages if m.call_id == i], [p for p in packets if p.call_id == i])
            for i in ids
        ]

    def trace(self) -> Trace:
        """The latest call."""
        traces = self.traces()
        if not traces:
            raise HarnessError(f"phone {self.account} has had no call")
        return traces[-1]

    # -- inside

    def command(self, name: str, params: str = "") -> None:
        """One command of baresip's menu (netstring-framed JSON over its ctrl_tcp module)."""
        if self._control is None:
            raise HarnessError("the phone is not running")
        text = json.dumps({"command": name, "params": params}).encode()
        self._control.sendall(b"%d:%s," % (len(text), text))

    def _configure(self, control: int) -> None:
        rtp = random.randrange(20_000, 31_000, 2)
        modules = next(Path("/usr/lib").glob("**/baresip/modules"), Path("/usr/lib/baresip/modules"))
        fields: dict[str, Any] = {"sip": free_port(), "rtp": rtp, "rtp_end": rtp + 200}
        fields |= {"folder": self.folder, "modules": modules, "ctrl": control}
        (self.folder / "config").write_text(CONFIG.format(**fields))
        mode = "auto" if self.auto_answer else "manual"
        (self.folder / "accounts").write_text(
            f"<sip:{self.account}@127.0.0.1:{self.relay.port}>;auth_user={self.account}"
            f";auth_pass={self.asterisk.phone_password(self.account)};regint=600"
            f";audio_codecs={self.codec};answermode={mode}\n"
        )
        (self.folder / "contacts").write_text("")
        write_wav(self.folder / "silence.wav", np.zeros(TAIL_SECONDS * RATE_HZ, np.int16))

    def _source(self, pcm: Pcm) -> None:
        self._sentences += 1
        file = self.folder / f"say-{self._sentences}.wav"
        write_wav(file, pcm)
        self.command("ausrc", f"aufile,{file}")

    def _connect(self, port: int) -> socket.socket | None:
        if self._process and self._process.poll() is not None:
            raise HarnessError("baresip ended")
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=None)
        except OSError:
            return None

    def _registered(self) -> bool:
        return any(m.method == "REGISTER" and m.status == 200 for m in list(self.relay.messages))

    def _read(self, control: socket.socket) -> None:
        pending = b""
        with contextlib.suppress(OSError):
            while received := control.recv(65536):
                pending = self._take(pending + received)

    def _take(self, pending: bytes) -> bytes:
        while (colon := pending.find(b":")) > 0:
            end = colon + 1 + int(pending[:colon])
            if len(pending) <= end:
                break
            report = json.loads(pending[colon + 1 : end])
            if report.get("event"):
                self.events.append(Event(time.monotonic(), report["type"], report.get("param", "")))
            pending = pending[end + 1 :]
        return pending
