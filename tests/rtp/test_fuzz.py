from bench.fuzz_rtp import fuzz


def test_mutated_datagrams_raise_nothing_else_and_grow_nothing() -> None:
    result = fuzz(30_000, seed=3)
    assert result["refused"] > 300  # the mutations do bite
    assert result["resyncs"] > 100
