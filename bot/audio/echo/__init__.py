"""The echo canceller: takes the agent's own voice out of the caller's, and hears the caller speak over it.

Frames that left for the caller and frames of the caller come in; the caller without the echo, and whether he
speaks, come out. Nothing here knows of clocks, sockets or the model.
"""

from bot.audio.echo.canceller import EchoCanceller, EchoParams, Residual
from bot.audio.echo.delay import DelayEstimator

__all__ = ["DelayEstimator", "EchoCanceller", "EchoParams", "Residual"]
