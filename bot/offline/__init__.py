"""The embedded model: a Realtime server with ears and a voice of its own, for anyone without a key.

It speaks the OpenAI Realtime protocol over WebSocket (``ga`` or ``beta``), so any Realtime client can use
it. The rooms: ``server`` and ``connection`` are the edge; ``session`` with ``conversation``, ``hearing`` and
``response`` is the protocol, pure; ``dialect``, ``wire`` and ``parse`` are its vocabulary; ``ears``,
``voice`` and ``brain`` (with ``persona``) are the model.
"""

from bot.offline.server import OfflineParams, OfflineServer, serve

__all__ = ["OfflineParams", "OfflineServer", "serve"]
