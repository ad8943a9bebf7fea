"""When Python looks for garbage in a process that serves: seldom, and never among what was there before the first call.

A look at half a million objects takes 66 ms, and every caller hears it; frozen ones are not looked at. Calls free
themselves by counting references: what is left to be found are the few cycles that exceptions make.
"""

from __future__ import annotations

import gc

YOUNG = 10_000  # new objects before the young ones are looked at
MIDDLE, OLD = 10, 50  # how often that, and the next, before the older ones are


def settle() -> None:
    """Everything is loaded: what is there now stays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
