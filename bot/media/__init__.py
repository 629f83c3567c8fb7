"""Edges of the voice: the RTP socket of a call, and the pacer that ticks all calls."""
