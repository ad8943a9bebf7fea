"""Counters and the one log. Row 1 returns facts and never counts; shells, actors and the switchboard count here."""
