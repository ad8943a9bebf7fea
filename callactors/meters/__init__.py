"""The one log. Row 1 returns facts and never logs."""
