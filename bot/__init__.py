"""A phone line for a realtime speech model: Asterisk on one side, the Realtime API on the other."""

import os

__version__ = "0.1.0"

# Before numpy is imported. A call's matrices are small; BLAS's other threads would help with the largest
# alone, and spin for 50 ms after each.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
