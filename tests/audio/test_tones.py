import numpy as np

from bot.audio.tones import beep


def test_a_beep_is_one_tone_without_clicks() -> None:
    pcm = np.frombuffer(beep(1000, 400), "<i2").astype(float)
    assert len(pcm) == 3200
    spectrum = np.abs(np.fft.rfft(pcm))
    assert np.argmax(spectrum) * 8000 / len(pcm) == 1000
    assert abs(pcm[0]) < 200
    assert abs(pcm[-1]) < 800
    assert 7000 < np.abs(pcm).max() <= 8000
