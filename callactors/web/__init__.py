"""Row 6: the web face. For now it tells whether the process lives and whether it takes calls."""
