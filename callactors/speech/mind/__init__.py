"""The embedded mind: a deterministic slot-filling dialogue driven by the tools' own schemas. Pure: no I/O, no clock.

It gets what a Realtime model gets (instructions, tools) and decides the next sentence or the next tool.
"""

from __future__ import annotations

from callactors.speech.mind.acts import Act, Say, Use
from callactors.speech.mind.mind import Mind, make_mind

__all__ = ["Act", "Mind", "Say", "Use", "make_mind"]
