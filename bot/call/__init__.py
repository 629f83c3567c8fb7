"""One call: who speaks when (``turns``), the way of each voice, and what Asterisk and the model are told."""
