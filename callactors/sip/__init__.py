"""SIP (RFC 3261 and its family) as values and machines: no I/O, no clock, no randomness of its own.

Values: address, uri, headers, message, auth, timers (scan is their tokenizer). Machines: transaction, dialog, endpoint.
"""
