"""The test equipment itself: what it claims to hear, see and spoil is so, and nothing of it stays behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e.asterisk import PROJECT, Asterisk, HarnessError, wait_for
from tests.e2e.callers import Callers
from tests.e2e.conftest import MakeAsterisk, MakePhone
from tests.e2e.phone import Phone
from tests.e2e.proxy import Impairment
from tests.e2e.sound import decode, level_dbfs, likeness, speak

pytestmark = pytest.mark.asterisk

SENTENCE = "Hello, this is a sentence that somebody should hear."


def _idle(asterisk: Asterisk) -> None:
    wait_for("all channels to go", lambda: not asterisk.channels() and not asterisk.bridges(), 5)


def test_every_module_named_in_the_configuration_loads(asterisk: Asterisk) -> None:
    loaded = asterisk.cli("module show")
    named = [
        line.split("=")[1].strip()
        for line in (PROJECT / "asterisk" / "modules.conf").read_text().splitlines()
        if line.startswith("load")
    ]
    assert [name for name in named if name[:28] not in loaded] == []
    start = asterisk.log_file.read_text().split("Asterisk Ready")[0]
    assert [line for line in start.splitlines() if " ERROR[" in line or " WARNING[" in line] == []


def test_echo_returns_the_sentence_sample_for_sample(phone: Phone) -> None:
    sentence = speak(SENTENCE)
    phone.dial("101")
    time.sleep(0.3)
    before = time.monotonic()
    phone.say(sentence)
    time.sleep(0.3)
    phone.hangup()
    call = phone.wait_closed(5)

    said, said_at = likeness(sentence, call.said())
    heard, heard_at = likeness(sentence, call.heard())
    assert said > 0.99
    assert heard > 0.99
    assert abs(call.start + said_at / 8000 - before) < 0.25
    assert 0 <= heard_at - said_at < 0.1 * 8000
    assert call.ended_by == "phone"
    assert call.ended is not None


def test_stereo_recording_has_the_caller_left_and_the_far_end_right(phone: Phone, tmp_path: Path) -> None:
    phone.dial("200")
    call = phone.wait_closed(20)
    call.record(tmp_path / "call.wav")
    assert (tmp_path / "call.wav").stat().st_size > 2 * 2 * 8000 * 3
    assert level_dbfs(call.said()) < -80
    assert level_dbfs(call.heard()) > -40


def test_the_agents_extension_apologises_and_hangs_up_when_no_bot_serves_it(
    asterisk: Asterisk, phone: Phone
) -> None:
    phone.dial("100")
    call = phone.wait_closed(15)
    words = decode((PROJECT / "asterisk" / "sounds" / "away.ulaw").read_bytes(), 0)
    assert likeness(words, call.heard())[0] > 0.99
    assert call.ended_by == "asterisk"
    assert call.ended is not None
    assert call.last_audible is not None
    assert 0 < call.ended - call.last_audible < 1.5
    assert "stasis=FAILED" in asterisk.log_file.read_text()


def test_the_fallback_takes_the_call_after_the_apology(
    make_asterisk: MakeAsterisk, make_phone: MakePhone
) -> None:
    phone = make_phone(at=make_asterisk(fallback="200"))
    phone.dial("100")
    call = phone.wait_closed(25)
    sounds = PROJECT / "asterisk" / "sounds"
    places = []
    for name in ("away", "sales"):
        score, place = likeness(decode((sounds / f"{name}.ulaw").read_bytes(), 0), call.heard())
        assert score > 0.99, name
        places.append(place)
    assert places[0] < places[1]


def test_digits_arrive(asterisk: Asterisk, phone: Phone) -> None:
    phone.dial("102")
    time.sleep(0.3)
    phone.dtmf("579")
    wait_for("the digits", lambda: "digits=579" in asterisk.log_file.read_text(), 5)


def test_hold_music_reaches_the_one_who_waits(make_phone: MakePhone) -> None:
    callee, caller = make_phone("201", auto_answer=True), make_phone()
    caller.dial("201")
    time.sleep(0.3)
    caller.hold()
    held = time.monotonic()
    assert callee.wait_heard(3, after=held) - held < 2
    caller.unhold()
    time.sleep(0.3)
    assert callee.wait_silence(0.7, 5) < time.monotonic()


def test_a_phone_can_decline_and_a_caller_can_give_up(make_phone: MakePhone, asterisk: Asterisk) -> None:
    callee, caller = make_phone("201"), make_phone()
    caller.dial("201", answered_within=None)
    callee.wait_incoming()
    callee.hangup()
    assert caller.wait_closed(5).status == 486

    caller.dial("201", answered_within=None)
    wait_for("the second ring", lambda: len(callee.traces()) == 2 and callee.trace().ringing, 5)
    caller.hangup()
    assert callee.wait_closed(5).ended_by == "asterisk"
    assert caller.trace().ended_by == "phone"
    _idle(asterisk)


def test_blind_transfer_moves_the_far_end(make_phone: MakePhone, asterisk: Asterisk) -> None:
    callee, caller = make_phone("201", auto_answer=True), make_phone()
    caller.dial("201")
    time.sleep(0.3)
    caller.blind_transfer("101")
    wait_for("the echo", lambda: "Echo" in asterisk.cli("core show channels"), 5)
    callee.hangup()
    callee.wait_closed(5)
    _idle(asterisk)


def test_attended_transfer_hands_the_second_party_to_the_first(
    asterisk: Asterisk, make_phone: MakePhone
) -> None:
    customer = make_phone("201", auto_answer=True)
    with Callers(asterisk, "101", scenario="stay", account="202", last_s=20) as first:
        dialog = first.dialog()
        with Callers(
            asterisk, "201", scenario="transfer", account="202", replaces=dialog, target="101", first_s=0.5
        ) as second:
            assert second.finish(15) == (1, 0), second.errors()
        assert first.finish(15) == (1, 0), first.errors()
    said = time.monotonic()
    customer.say("Now I hear myself.")
    assert customer.wait_heard(3, after=said) - said < 2
    customer.hangup()
    customer.wait_closed(5)
    _idle(asterisk)


def test_relay_loses_delays_duplicates_and_reorders(phone: Phone) -> None:
    phone.relay.from_phone = Impairment(
        loss=0.03, duplicate=0.02, delay_ms=80, jitter_ms=10, reorder=0.05, reorder_ms=45
    )
    phone.dial("101")
    time.sleep(8)
    phone.hangup()
    packets = [p for p in phone.wait_closed(5).packets if not p.rtcp]
    sent = [p for p in packets if p.from_phone]
    assert 0.005 < sum(p.copies == 0 for p in sent) / len(sent) < 0.08
    assert sum(p.copies == 2 for p in sent) > 0

    # Asterisk's echo sends back what reached it, in that order.
    back = [p for p in packets if not p.from_phone]
    assert back[0].time - sent[0].time > 0.08
    numbers = [p.sequence for p in back]
    assert len(set(numbers)) < max(numbers) - min(numbers) + 1 or max(numbers) - min(numbers) > 0x8000
    assert any((b - a) & 0x8000 for a, b in pairwise(numbers))


def test_silence_suppression_leaves_no_gap_in_the_sequence(phone: Phone) -> None:
    phone.dial("101")
    time.sleep(0.5)
    phone.suppress()
    time.sleep(0.2)
    quiet_from = time.monotonic()
    time.sleep(0.6)
    back = [p for p in phone.trace().packets if not p.from_phone and not p.rtcp]
    assert [p for p in back if p.time > quiet_from] == []
    phone.suppress(False)
    time.sleep(0.5)
    back = [p for p in phone.trace().packets if not p.from_phone and not p.rtcp]
    steps = {(b.sequence - a.sequence) & 0xFFFF for a, b in pairwise(back)}
    assert steps == {1}
    assert max((b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(back)) > 4000


def test_ten_callers_at_once(asterisk: Asterisk) -> None:
    with Callers(asterisk, "101", calls=10, per_second=50, first_s=1, last_s=3) as callers:
        wait_for("ten channels", lambda: len(asterisk.channels()) == 10, 3)
        assert callers.finish(15) == (10, 0), callers.errors()
    _idle(asterisk)


def test_freeze_and_restart_keep_ports_and_passwords(make_asterisk: MakeAsterisk) -> None:
    own = make_asterisk()
    password = own.ari_password
    own.freeze()
    with pytest.raises((TimeoutError, urllib.error.URLError)):
        own.channels()
    own.thaw()
    assert own.channels() == []
    own.restart()
    assert own.channels() == []
    assert own.ari_password == password
    own.kill()
    own.start()
    assert own.channels() == []


def test_a_wrong_password_is_refused(asterisk: Asterisk) -> None:
    own = Asterisk(phones=("phone",))
    try:
        own.configure()
        for secret in ("ari", "phone"):
            assert (own.config / "secrets" / secret).stat().st_mode & 0o077 == 0
        assert own.ari_password != asterisk.ari_password
    finally:
        own.close()


def test_configure_refuses_what_would_break_a_file(tmp_path: Path) -> None:
    script = PROJECT / "asterisk" / "configure"
    command: list[str | Path] = [
        script,
        "--out",
        tmp_path / "etc",
        "--state",
        tmp_path / "state",
        "--fallback",
        "1|x",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--fallback" in done.stderr
    assert not (tmp_path / "etc").exists()


ORPHAN = """
import os, sys, time
from tests.e2e.asterisk import Asterisk
from tests.e2e.phone import Phone
with Asterisk(phones=("phone",)) as asterisk, Phone(asterisk) as phone:
    print(asterisk.pid, phone._process.pid, asterisk.folder, phone.folder, flush=True)
    if sys.argv[1] == "die":
        os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("end", ["leave", "die"])
def test_nothing_stays_behind(end: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ORPHAN, end], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    asterisk_pid, phone_pid, *folders = done.stdout.split()
    assert done.returncode == (-9 if end == "die" else 0), done.stderr
    wait_for("Asterisk to go", lambda: not _alive(int(asterisk_pid)), 3)
    wait_for("the phone to go", lambda: not _alive(int(phone_pid)), 3)
    assert [line for line in Path("/proc/mounts").read_text().splitlines() if folders[0] in line] == []
    if end == "leave":
        assert [folder for folder in folders if Path(folder).exists()] == []
    for folder in folders:  # a killed process cannot remove its folders
        subprocess.run(["rm", "-rf", folder], check=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_waiting_in_vain_says_for_what() -> None:
    with pytest.raises(HarnessError, match="the moon"):
        wait_for("the moon", lambda: None, 0.05)
