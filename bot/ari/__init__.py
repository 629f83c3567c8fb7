"""A client for Asterisk's REST interface (ARI): requests out, typed events in, in order.

`AriClient` is the edge (aiohttp); `events` and `models` are pure and can be used without it. Nothing in
here knows the rest of this service except its error tree.
"""

from bot.ari import events, models
from bot.ari.client import AriClient

__all__ = ["AriClient", "events", "models"]
