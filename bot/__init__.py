"""A phone line for a realtime speech model: Asterisk on one side, the Realtime API on the other."""

__version__ = "0.1.0"
