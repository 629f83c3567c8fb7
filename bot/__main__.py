"""``python -m bot`` is the ``voicebot`` command."""

from bot.cli import main

main()
