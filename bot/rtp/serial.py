"""Serial numbers that wrap: 16 bits of sequence, 32 bits of timestamp (RFC 3550 section 5.1, RFC 1982)."""

SEQUENCE_MODULUS = 1 << 16
TIMESTAMP_MODULUS = 1 << 32


def distance(value: int, reference: int, modulus: int) -> int:
    """How far ``value`` is ahead of ``reference`` the short way round; negative when it is behind."""
    half = modulus >> 1
    return (value - reference + half) % modulus - half


def unwrap(value: int, reference: int, modulus: int) -> int:
    """The number congruent to ``value`` that is nearest to ``reference``, which already counts the wraps."""
    return reference + distance(value, reference, modulus)
