"""RTP and RTCP without a socket (RFC 3550, 3551, 4733): packets, what arrived, what is to play, what was heard.

Nothing here does I/O or owns a clock; net/media_plane.py performs what these machines say.
"""
