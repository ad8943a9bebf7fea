"""Row 1: which trunk a packet belongs to, whose number was called, why a call ended. Values and choices, no I/O."""
