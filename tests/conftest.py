"""What holds for all tests."""

from __future__ import annotations

import os

# Tiny models are fastest on one thread, above all beside other work; processes that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
