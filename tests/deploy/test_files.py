"""What must agree between the files of the containers, the unit, and the service."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib

import pytest
import yaml

from bot.config.settings import LAST_WORD_S, RELEASE_S, SPARE_S, Settings
from tests.deploy.readme import commands
from tests.e2e.asterisk import PROJECT

UNIT = PROJECT / "deploy" / "voicebot.service"
COMPOSE = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())


def test_time_to_stop_fits_the_drain() -> None:
    """One figure, and in it the drain, a last word, the way out, and something to spare."""
    calls = Settings().calls
    assert calls.stop_grace == calls.drain_timeout + LAST_WORD_S + RELEASE_S + SPARE_S
    assert calls.last_word == LAST_WORD_S
    found = re.search(r"(?m)^TimeoutStopSec=(\d+)$", UNIT.read_text())
    assert found is not None
    assert int(found[1]) == calls.stop_grace
    bot = COMPOSE["services"]["bot"]
    assert bot["stop_grace_period"] == f"${{STOP_GRACE:-{calls.stop_grace:g}}}s"
    assert bot["environment"]["STOP_GRACE"] == f"${{STOP_GRACE:-{calls.stop_grace:g}}}"


def test_only_the_bot_starts_without_a_profile() -> None:
    profiles = {name: service.get("profiles") for name, service in COMPOSE["services"].items()}
    assert profiles == {"bot": None, "asterisk": ["asterisk"], "model": ["offline"]}
    waits = COMPOSE["services"]["bot"]["depends_on"]
    assert all(not dependency["required"] for dependency in waits.values())


@pytest.mark.parametrize("name", list(COMPOSE["services"]))
def test_every_container_is_shut_in(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("file", ["Dockerfile", "asterisk/Dockerfile"])
def test_images_have_one_user_and_a_health_check(file: str) -> None:
    text = (PROJECT / file).read_text()
    assert "\nUSER 10001:10001\n" in text
    assert "\nHEALTHCHECK " in text


def test_the_variables_of_compose_are_those_of_the_configuration() -> None:
    named = set(re.findall(r"\$\{([A-Z_]+)", (PROJECT / "config.yaml").read_text()))
    given = set(COMPOSE["services"]["bot"]["environment"])
    secret = {"ARI_PASSWORD", "OPENAI_API_KEY", "NAME"}
    assert named - secret <= given
    assert given <= named


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze on this machine")
def test_the_unit_is_well_shut_in() -> None:
    command = ["systemd-analyze", "security", "--offline=true", str(UNIT)]
    words = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = re.search(r"exposure level for \S+ ([\d.]+)", words)
    assert found is not None
    assert float(found[1]) <= 2.5


def test_readme_begins_with_the_commands_that_its_trial_types() -> None:
    prepare, demo = commands()
    assert prepare.startswith("apt-get update && apt-get install")
    assert demo == "make demo"


def test_the_full_lock_has_every_extra() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = {re.split(r"[<>=;]", one)[0] for name in extras.keys() - {"dev"} for one in extras[name]}
    lock = (PROJECT / "deploy" / "requirements" / "full.txt").read_text()
    assert wanted <= set(re.findall(r"(?m)^([a-z0-9-]+)==", lock))


def test_scripts_are_shell() -> None:
    scripts = ["deploy/install.sh", "deploy/virtualenv.sh", "deploy/container/bot", "asterisk/container"]
    scripts += ["deploy/asterisk-root.sh", "deploy/system.sh", "deploy/test-newest-python.sh"]
    for script in [*scripts, "tests/deploy/tree.sh"]:
        subprocess.run(["sh", "-n", PROJECT / script], check=True)
