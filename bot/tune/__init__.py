"""``voicebot tune``: replays a recording through canceller, VAD and gate as in a call, and compares settings.

``recording`` reads the WAV, ``cancelled`` runs the echo canceller over it, ``reference`` judges with
hindsight what is speech, ``replay`` hears it as the uplink does, ``score`` counts what went wrong, ``levels``
how loud everything is; ``report`` and ``picture`` show it. ``overrides`` reads ``--set`` and ``--sweep``.
"""

from bot.tune.command import run

__all__ = ["run"]
