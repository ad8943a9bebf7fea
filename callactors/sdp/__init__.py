"""SDP (RFC 8866) as values, and the offer/answer rules over them (RFC 3264). No I/O."""
