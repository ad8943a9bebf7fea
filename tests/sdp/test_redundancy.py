"""Redundant payloads (RFC 2198) are not ours: an offer with them is answered without, one with nothing else refused."""

from __future__ import annotations

import pytest

from callactors.errors import NoCommonFormat
from callactors.sdp.description import parse
from callactors.sdp.offer import Agreement, answer

OFFER = """v=0
o=- 1 1 IN IP4 192.0.2.1
s=-
c=IN IP4 192.0.2.1
t=0 0
m=audio 4000 RTP/AVP {numbers}
a=rtpmap:121 red/8000
a=fmtp:121 {blocks}
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
"""


def answered(numbers: str, blocks: str) -> Agreement:
    offer = parse(OFFER.format(numbers=numbers, blocks=blocks).replace("\n", "\r\n").encode())
    return answer(offer, local_host="192.0.2.2", local_port=4002, codecs=["pcmu", "pcma"], session_id=1, version=1)


@pytest.mark.parametrize("blocks", ["0/0", "101/101", "0/0/101", "0/" * 300 + "0", "x", "121/121"])
@pytest.mark.parametrize("numbers", ["121 0 101", "0 121 101"])
def test_an_offer_of_redundancy_is_answered_without_it(numbers: str, blocks: str) -> None:
    agreement = answered(numbers, blocks)
    assert (agreement.codec, agreement.payload_type, agreement.telephone_event) == ("pcmu", 0, 101)
    assert b"121" not in bytes(agreement.local)


def test_an_offer_of_nothing_but_redundancy_is_refused() -> None:
    with pytest.raises(NoCommonFormat):
        answered("121", "0/0")
