"""Row 2, the I/O shells: sockets, clocks and threads around the sans-IO machines of row 1. No `if` about SIP or RTP."""
