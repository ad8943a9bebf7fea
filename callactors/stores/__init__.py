"""What outlives a call: the ledger (one writer, SQLite), and the CRM, calendar and knowledge that tools work with.

Everything here is called through net/offload.py or from a command; nothing here blocks the loop.
"""
