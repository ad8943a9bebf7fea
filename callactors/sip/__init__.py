"""SIP as values and machines (RFC 3261), sans-IO: `now` and `random` are arguments, datagrams go in and come out.

Values: address, uri, headers, message, auth. Machines: the four transactions, dialog, session, endpoint, transfer.
"""
