import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.rtp.serial import SEQUENCE_MODULUS, TIMESTAMP_MODULUS, distance, unwrap


@pytest.mark.parametrize(
    ("value", "reference", "expected"),
    [
        (1, 0, 1),
        (0, 1, -1),
        (0, 65535, 1),
        (65535, 0, -1),
        (2, 65530, 8),
        (32767, 0, 32767),
        (32768, 0, -32768),
    ],
)
def test_distance_goes_the_short_way_round(value: int, reference: int, expected: int) -> None:
    assert distance(value, reference, SEQUENCE_MODULUS) == expected


@given(st.integers(0, 2**40), st.integers(-(2**31), 2**31 - 1))
def test_unwrap_is_the_inverse_of_wrapping(reference: int, step: int) -> None:
    true = reference + step
    assert unwrap(true % TIMESTAMP_MODULUS, reference, TIMESTAMP_MODULUS) == true
