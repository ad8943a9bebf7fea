"""What a process that serves asks of Python: garbage is looked for seldom, and threads give way at once.

A look at half a million objects takes 66 ms, and every caller hears it: what was there before the first call is frozen,
and never looked at. Calls free themselves by counting references: what is left to be found are the few cycles that
exceptions make. A thread that computes (the capture of a flood's messages) would keep the loop waiting for 5 ms at a
time, which is Python's default.
"""

from __future__ import annotations

import gc
import sys

YOUNG = 10_000  # new objects before the young ones are looked at
MIDDLE, OLD = 10, 50  # how often that, and the next, before the older ones are
SWITCH = 0.0005  # seconds a thread may compute on while another waits


def settle() -> None:
    """Everything is loaded: what is there now stays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
    sys.setswitchinterval(SWITCH)
