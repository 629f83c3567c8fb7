"""``--set`` and ``--sweep``: what they change, and how they refuse."""

import pytest

from bot.config.settings import Settings
from bot.errors import ConfigError
from bot.tune.overrides import variants


def test_settings_are_set_one_after_the_other() -> None:
    (only,) = variants(Settings(), ["vad.energy_threshold=300", "echo.canceller=false"], None)
    assert (only.settings.vad.energy_threshold, only.settings.echo.canceller) == (300, False)
    assert only.settings.vad.confidence_threshold == Settings().vad.confidence_threshold


def test_a_sweep_comes_on_top_of_what_is_set() -> None:
    found = variants(Settings(), ["vad.webrtc_aggressiveness=2"], "vad.energy_threshold = 100, 200,100")
    assert [one.label for one in found] == ["100", "200"]
    assert [one.settings.vad.energy_threshold for one in found] == [100, 200]
    assert {one.settings.vad.webrtc_aggressiveness for one in found} == {2}


@pytest.mark.parametrize(
    ("sets", "sweep", "message"),
    [
        (["vad.energy_treshold=3"], None, "unknown key: did you mean energy_threshold?"),
        (["vad.energy_threshold=loud"], None, "expected number, 0 to 32767, not `loud`"),
        (["vad.webrtc_aggressiveness=4"], None, "expected whole number, 0 to 3, not `4`"),
        (["vad.energy_threshold"], None, "no value: write --set vad.energy_threshold=VALUE"),
        (["openai.voice=cedar"], None, "does not act on how the caller is heard"),
        (["barge_in.commit_ms=50"], None, "barge_in.commit_ms: 50 is before suspect_ms"),
        ([], "vad.energy_threshold=200", "not 2 to 12 values"),
        ([], "vad.energy_threshold=100,-1", "expected number, 0 to 32767, not `-1`"),
    ],
)
def test_mistakes_are_told_in_words(sets: list[str], sweep: str | None, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        variants(Settings(), sets, sweep)
    assert message in str(caught.value)
