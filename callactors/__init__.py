"""Phone calls answered by AI agents; each call is one Trio nursery of small actors."""

__version__ = "0.1.0"
