"""The dialplan's copy of ``outbound.allow`` lets through what the bot lets through, and nothing else."""

import re
from pathlib import Path

import pytest

from bot.asterisk_config import examine
from bot.asterisk_files import AsteriskFiles
from bot.asterisk_out import called_out, expression
from bot.call.outbound import ENDPOINT, fits
from bot.config.settings import Settings

PATTERNS = ["PJSIP/201", "PJSIP/2??", "PJSIP/+49*@trunk", "PJSIP/2[0-4].x", "PJSIP/*", "SIP/*43@a-b"]
ENDPOINTS = [
    *("PJSIP/201", "PJSIP/2011", "PJSIP/2", "pjsip/201", "PJSIP/+4930123@trunk", "PJSIP/4930123@trunk"),
    *("PJSIP/+49@trunk", "PJSIP/+49@trunk2", "PJSIP/+49@x@trunk", "PJSIP/20.x", "PJSIP/2001x", "PJSIP/25.x"),
    *("PJSIP/201&PJSIP/202", "PJSIP/201,30", "PJSIP/2 1", "PJSIP/a/b", "SIP/*43@a-b", "SIP/12@a-b"),
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_asterisk_and_the_bot_agree(pattern: str) -> None:
    for endpoint in ENDPOINTS:
        allowed = bool(ENDPOINT.fullmatch(endpoint)) and fits(endpoint, pattern)
        assert bool(re.search(expression(pattern), endpoint)) == allowed, endpoint


def test_the_context() -> None:
    settings = Settings.model_validate({"outbound": {"allow": ["PJSIP/2?", "PJSIP/3"], "ring_timeout": 20}})
    assert called_out(settings).splitlines()[2:] == [
        "[voicebot-out]",
        r"exten => s,1,Set(VOICEBOT_ENDPOINT=${FILTER(A-Za-z0-9_.+*#@:/\x2d,${VOICEBOT_ENDPOINT})})",
        ' same => n,GotoIf($[${REGEX("^PJSIP/2[A-Za-z0-9_.+*#:-]$" ${VOICEBOT_ENDPOINT})}]?dial)',
        ' same => n,GotoIf($[${REGEX("^PJSIP/3$" ${VOICEBOT_ENDPOINT})}]?dial)',
        " same => n,Log(WARNING,refused to call ${VOICEBOT_ENDPOINT})",
        " same => n,Hangup(21)",
        " same => n(dial),Dial(${VOICEBOT_ENDPOINT},20)",
        " same => n,Hangup(${HANGUPCAUSE})",
    ]
    assert called_out(Settings()) == ""


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    old = Settings.model_validate({"outbound": {"allow": ["PJSIP/2?"]}})
    new = Settings.model_validate({"outbound": {"allow": ["PJSIP/2?", "PJSIP/3"]}})
    (tmp_path / "asterisk.conf").write_text("[options]\n")
    (tmp_path / "extensions.conf").write_text(called_out(old))
    for settings, missing in ((old, []), (new, ["outbound.allow: [voicebot-out] does not know PJSIP/3"])):
        messages = [finding.message for finding in examine(settings, AsteriskFiles(tmp_path), "100")]
        assert [message for message in messages if "outbound.allow" in message] == missing
