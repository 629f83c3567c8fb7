"""What the caller hears and what the model hears, measured: ``python -m bench.voice``; see
docs/voice-quality.md.
"""
