"""The Realtime vocabulary, sans-IO: its events, the two dialects on the wire, the session profile, the conversation.

Imports nothing that does I/O and owns no clock; `now` is an argument.
"""
