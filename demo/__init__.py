"""``python -m demo``: a spoken call on real parts, shown and judged; ``--keep``: the same parts kept up."""
