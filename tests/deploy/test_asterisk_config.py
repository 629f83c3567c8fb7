"""The lines for an Asterisk that is there, and what is found in its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.asterisk_config import EXIT_GOOD, EXIT_MISSING, PASSWORD_PLACE, blocks, examine, main
from bot.asterisk_files import AsteriskFiles
from bot.config.settings import Settings
from bot.errors import ResourceError
from tests.e2e.asterisk import PROJECT

GOOD = {
    "asterisk.conf": "[options]\n",
    "modules.conf": "[modules]\nautoload=yes\nnoload => chan_oss.so\n",
    "http.conf": "[general]\n;enabled=no\nenabled = yes ; on\nbindaddr=127.0.0.1\nbindport=8088\n",
    "ari.conf": "[general]\nenabled=yes\n[voicebot]\ntype=user\npassword=s3cret\n",
    "extensions.conf": "[office]\ninclude => voicebot\n"
    "[voicebot]\nexten => 100,1,NoOp()\n same => n,Stasis(voicebot,a)\n",
    "pjsip.conf": "[base](!)\ntype=endpoint\ncontext=office\n[anna](base)\nauth=anna\n[anna]\ntype=auth\n",
    "rtp.conf": "[general]\nrtpstart=10000\nrtpend=20000\n",
}

NAT = "[udp]\ntype=transport\nbind=0.0.0.0\n{}\n"
OUTSIDE = "external_signaling_address=203.0.113.1\nexternal_media_address=203.0.113.1\n"
LOCAL = "local_net=192.168.1.0/24\n"


def settings(**blocks: Any) -> Settings:
    return Settings.model_validate({"asterisk": {"password": "s3cret"}, **blocks})


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, text in GOOD.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def missing(directory: Path, **blocks: Any) -> list[str]:
    findings = examine(settings(**blocks), AsteriskFiles(directory), "100")
    return [f"{finding.file}: {finding.message}" for finding in findings if not finding.good]


def test_all_is_there(directory: Path) -> None:
    assert missing(directory) == []
    assert main(settings(), directory) == EXIT_GOOD


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("http.conf", "[general]\n", "the web server is off"),
        ("http.conf", "[general]\nenabled=yes\nbindport=8089\n", "port 8089"),
        ("http.conf", "[general]\nenabled=yes\nbindaddr=192.0.2.1\n", "listens on 192.0.2.1"),
        ("ari.conf", "[general]\nenabled=no\n[voicebot]\ntype=user\npassword=s3cret\n", "ARI is off"),
        ("ari.conf", "[general]\n", "no user [voicebot]"),
        ("ari.conf", "[voicebot]\ntype=user\nread_only=yes\npassword=s3cret\n", "may only read"),
        ("ari.conf", "[voicebot]\ntype=user\npassword=other\n", "is not asterisk.password"),
        ("modules.conf", "[modules]\nautoload=yes\nnoload => chan_rtp.so\n", "chan_rtp.so"),
        ("modules.conf", "[modules]\nautoload=no\nload => app_stasis.so\n", "res_ari.so"),
        (
            "extensions.conf",
            "[office]\nexten => 100,1,Stasis(another)\n",
            "no extension goes to Stasis(voicebot)",
        ),
        (
            "extensions.conf",
            "[office]\n[bots]\nexten => 1,1,Stasis(voicebot)\n",
            "[office], where phones dial",
        ),
        ("rtp.conf", "[general]\nrtpstart=10000\nrtpend=40000\n", "hold all of media.rtp.ports"),
        (
            "rtp.conf",
            "[general]\nrtpstart=10000\nrtpend=10199\n",
            "are enough for 50 calls, but calls.max_calls",
        ),
        ("pjsip.conf", NAT.format("external_media_address=203.0.113.1"), "set external_signaling_address as"),
        ("pjsip.conf", NAT.format(OUTSIDE), "set local_net"),
        ("pjsip.conf", NAT.format(OUTSIDE.replace("203.0.113.1", "192.168.1.5") + LOCAL), "private address"),
    ],
)
def test_what_is_missing_is_named(directory: Path, file: str, text: str, words: str) -> None:
    (directory / file).write_text(text)
    assert any(line.startswith(file) and words in line for line in missing(directory))
    assert main(settings(), directory) == EXIT_MISSING


def test_behind_nat(directory: Path) -> None:
    (directory / "pjsip.conf").write_text(NAT.format(OUTSIDE + LOCAL))
    assert missing(directory) == []


def test_a_transfer_needs_its_context(directory: Path) -> None:
    places = {"desk": {"context": "front", "exten": "200"}, "own": {"context": "office", "exten": "1"}}
    assert missing(directory, destinations=places) == [
        "extensions.conf: destinations.desk: there is no context [front]"
    ]


PHONES = {"desk": {"dial": "PJSIP/200", "ring_timeout": 20}, "shop": {"dial": "PJSIP/201&PJSIP/202"}}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("", "destinations.desk: there is no context [voicebot-dial]"),
        ("[voicebot-dial]\nexten => shop,1,Dial(PJSIP/201&PJSIP/202)\n", "does not dial PJSIP/200 for it"),
        (
            "[voicebot-dial]\nexten => desk,1,Dial(PJSIP/2000)\n",
            "desk: [voicebot-dial] does not",
        ),
        ("[voicebot-dial]\nexten => _d.,1,Dial(PJSIP/200)\n", "does not dial PJSIP/200 for it"),
    ],
)
def test_a_phone_needs_its_line_in_the_dial_context(directory: Path, lines: str, words: str) -> None:
    with (directory / "extensions.conf").open("a") as file:
        file.write(lines)
    assert words in "\n".join(missing(directory, destinations=PHONES))


def test_the_dial_context_repeats_the_allow_list(directory: Path) -> None:
    found = blocks(settings(destinations=PHONES), AsteriskFiles(directory), "100", "", show_password=True)
    text = next(block.text for block in found if block.file == "extensions.conf")
    context = text.partition("[voicebot-dial]\n")[2]
    assert [line for line in context.splitlines() if line.startswith("exten")] == [
        "exten => desk,1,Dial(PJSIP/200,20)",
        "exten => shop,1,Dial(PJSIP/201&PJSIP/202,30)",
        "exten => i,1,Log(WARNING,refused to dial ${INVALID_EXTEN})",
    ]
    with (directory / "extensions.conf").open("a") as file:
        file.write(f"[voicebot-dial]\n{context}")
    assert missing(directory, destinations=PHONES) == []


def test_no_asterisk_in_that_folder(tmp_path: Path) -> None:
    assert "holds no configuration of Asterisk" in missing(tmp_path)[0]


def test_files_that_may_not_be_read(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a user other than root and asterisk, on Debian. Root may read all, hence the patch."""

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(
        ResourceError, match=r"\.conf cannot be read: run this as root, or as the user asterisk"
    ):
        main(settings(), directory)


def test_the_lines_bring_about_what_is_looked_for(directory: Path) -> None:
    for name in ("http.conf", "ari.conf", "extensions.conf"):
        (directory / name).write_text("")
    for block in blocks(settings(), AsteriskFiles(directory), "100", "", show_password=True):
        with (directory / block.file).open("a") as file:
            file.write(block.text)
    assert missing(directory) == []


def test_a_section_that_is_there_is_added_to(directory: Path) -> None:
    lines = {
        block.file: block.text
        for block in blocks(settings(), AsteriskFiles(directory), "7", "", show_password=True)
    }
    assert lines["http.conf"].startswith("[general](+)")
    assert "[office](+)\ninclude => voicebot" in lines["extensions.conf"]
    assert "exten => 7,1,Stasis(voicebot)" in lines["extensions.conf"]


def test_freepbx_keeps_own_lines_in_files_of_their_own(directory: Path) -> None:
    (directory / "extensions.conf").write_text(
        "#include extensions_additional.conf\n#include extensions_custom.conf\n"
    )
    (directory / "extensions_additional.conf").write_text(
        "[from-internal]\ninclude => from-internal-custom\n"
    )
    (directory / "extensions_custom.conf").write_text("")
    (directory / "ari.conf").write_text("[general]\nenabled=yes\n#include ari_additional_custom.conf\n")
    (directory / "pjsip.conf").write_text("#include pjsip.endpoint.conf\n")
    (directory / "pjsip.endpoint.conf").write_text("[201]\ntype=endpoint\ncontext=from-internal\n")
    found = blocks(settings(), AsteriskFiles(directory), "100", "", show_password=True)
    assert [block.file for block in found] == ["ari_additional_custom.conf", "extensions_custom.conf"]
    assert "[from-internal-custom]" in found[1].text
    for block in found:
        (directory / block.file).write_text(block.text)
    assert missing(directory) == []


def test_the_password_is_shown_when_asked_for(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(settings(), directory)
    printed = capsys.readouterr().out
    assert "s3cret" not in printed
    assert f"password = {PASSWORD_PLACE}" in printed
    main(settings(), directory, show_password=True)
    assert "password = s3cret" in capsys.readouterr().out


def test_where_phones_dial(directory: Path) -> None:
    assert AsteriskFiles(directory).phone_context == "office"
    samples = "[sample](!)\ntype=endpoint\ncontext=office\n" + "[a]\ntype=endpoint\ncontext=nowhere\n" * 2
    (directory / "pjsip.conf").write_text(samples + "[b]\ntype=endpoint\ncontext=voicebot\n")
    assert AsteriskFiles(directory).phone_context == "voicebot", "templates and unknown contexts do not count"


def test_the_sample_in_the_document_is_what_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stock = {
        "http.conf": "[general]\n",
        "ari.conf": "[general]\n",
        "modules.conf": GOOD["modules.conf"],
        "extensions.conf": "[from-internal]\n",
        "pjsip.conf": "[transport-udp]\ntype=transport\n[a]\ntype=endpoint\ncontext=from-internal\n",
        "rtp.conf": GOOD["rtp.conf"],
    }
    for name, text in stock.items():
        (tmp_path / name).write_text(text)
    main(settings(), tmp_path, show_password=True)
    printed = capsys.readouterr().out.replace(str(tmp_path), "/etc/asterisk").replace("s3cret", "…")
    page = (PROJECT / "docs" / "existing-pbx.md").read_text()
    assert f"```\n{printed}```" in page


def test_nothing_is_changed(directory: Path) -> None:
    main(settings(), directory, show_password=True)
    assert {path.name: path.read_text() for path in directory.iterdir()} == GOOD
