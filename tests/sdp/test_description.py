"""Session descriptions: the round trip, what is read over, what is refused, and what hostile text may cost."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.errors import MalformedDescription, NoCommonFormat, UnsafeText
from callactors.sdp.description import Description, Media, Origin, parse, to_bytes
from callactors.sdp.offer import answer

# RFC 4566 section 5 with audio made ours; types we have no use for included
EXAMPLE = b"""v=0\r
o=jdoe 2890844526 2890842807 IN IP4 host.example.com\r
s=SDP Seminar\r
i=A Seminar on the session description protocol\r
u=http://www.example.com/seminars/sdp.pdf\r
e=j.doe@example.com (Jane Doe)\r
c=IN IP4 192.0.2.17/127\r
b=AS:64\r
t=2873397496 2873404696\r
r=7d 1h 0 25h\r
a=recvonly\r
m=audio 49170/2 RTP/AVP 0 101\r
i=sound\r
c=IN IP6 2001:DB8::1\r
k=clear:x\r
a=rtpmap:101 telephone-event/8000\r
a=sendrecv\r
m=video 51372 RTP/AVP 99\r
"""


def test_what_matters_of_a_description_is_read_and_the_rest_read_over() -> None:
    description = parse(EXAMPLE)
    assert description == Description(
        Origin(2890844526, 2890842807, "host.example.com", "jdoe"),
        (
            Media(
                "audio",
                49170,
                "RTP/AVP",
                ("0", "101"),
                "2001:db8::1",
                (("rtpmap", "101 telephone-event/8000"), ("sendrecv", None)),
            ),
            Media("video", 51372, "RTP/AVP", ("99",)),
        ),
        "192.0.2.17",
        (("recvonly", None),),
        "SDP Seminar",
        "2873397496 2873404696",
    )
    assert parse(bytes(description)) == description


def test_attributes_are_asked_for_by_name() -> None:
    description = parse(EXAMPLE)
    assert (description.attribute("recvonly"), description.attribute("ptime")) == ("", None)
    assert description.media[0].attribute("rtpmap") == "101 telephone-event/8000"


def test_lines_may_end_in_lf_alone() -> None:
    assert parse(EXAMPLE.replace(b"\r\n", b"\n")) == parse(EXAMPLE)


def test_name_and_time_may_be_missing() -> None:
    description = parse(b"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\n")
    assert (description.name, description.time, description.media, description.host) == ("-", "0 0", (), None)


HEAD = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\n"
BROKEN = {
    "empty": b"",
    "no v": b"o=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n",
    "v only": b"v=0\r\n",
    "v=1": HEAD.replace(b"v=0", b"v=1"),
    "no o": b"v=0\r\ns=-\r\n",
    "short o": b"v=0\r\no=- 1 1\r\n",
    "a word for a version": b"v=0\r\no=- 1 one IN IP4 127.0.0.1\r\n",
    "a negative session id": b"v=0\r\no=- -1 1 IN IP4 127.0.0.1\r\n",
    "a session id over 64 bits": b"v=0\r\no=- 18446744073709551616 1 IN IP4 127.0.0.1\r\n",
    "a line without a type": HEAD + b"hello\r\n",
    "a space before =": HEAD + b"m =audio 4000 RTP/AVP 0\r\n",
    "an empty line inside": HEAD + b"\r\ns=-\r\n",
    "a bare CR": HEAD + b"s=a\rb\r\n",
    "a NUL": HEAD + b"s=a\0b\r\n",
    "a name in c=": HEAD + b"c=IN IP4 media.example.com\r\n",
    "an IPv6 address as IP4": HEAD + b"c=IN IP4 ::1\r\n",
    "an IPv4 address as IP6": HEAD + b"c=IN IP6 127.0.0.1\r\n",
    "a zone in c=": HEAD + b"c=IN IP6 fe80::1%eth0\r\n",
    "leading zeros in c=": HEAD + b"c=IN IP4 127.0.0.010\r\n",
    "another network": HEAD + b"c=ATM NSAP 47.0091\r\n",
    "c= of one word": HEAD + b"c=IN\r\n",
    "m= without formats": HEAD + b"m=audio 4000 RTP/AVP\r\n",
    "a port over 65535": HEAD + b"m=audio 65536 RTP/AVP 0\r\n",
    "a port that is a word": HEAD + b"m=audio rtp RTP/AVP 0\r\n",
    "65 formats": HEAD + b"m=audio 4000 RTP/AVP" + b" 0" * 65 + b"\r\n",
    "17 streams": HEAD + b"m=audio 4000 RTP/AVP 0\r\n" * 17,
    "500 streams": HEAD + b"m=audio 4000 RTP/AVP 0\r\n" * 500,
    "10000 attributes": HEAD + b"m=audio 4000 RTP/AVP 0\r\n" + b"a=x\r\n" * 10_000,
    "600 attributes": HEAD + b"m=audio 4000 RTP/AVP 0\r\n" + b"a=x\r\n" * 600,
    "60 kB in one rtpmap": HEAD + b"m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 " + b"P" * 60_000 + b"\r\n",
    "3 kB in one rtpmap": HEAD + b"m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 " + b"P" * 3_000 + b"\r\n",
    "only line ends": b"\r\n" * 16_000,
    "noise": bytes(range(256)) * 100,
}
UNUSABLE = {
    "payload type 200": HEAD + b"c=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 200\r\na=rtpmap:200 PCMU/8000\r\n",
    "clock rate 0": HEAD + b"c=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/0\r\n",
    "no stream": HEAD,
    "450 rtpmaps of the same number": HEAD
    + b"c=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n"
    + b"a=rtpmap:0 X/8000\r\n" * 450,
    "16 streams of 64 formats": HEAD + (b"m=audio 4000 RTP/AVP" + b" 99" * 64 + b"\r\n") * 16,
}


def cost(read: Callable[[], object]) -> float:
    """Seconds of this process's CPU, the best of three."""
    spent: list[float] = []
    for _ in range(3):
        begun = time.process_time()
        read()
        spent.append(time.process_time() - begun)
    return min(spent)


def taken(data: bytes) -> object:
    """An agreement, or the error that says 488."""
    try:
        return answer(
            parse(data), local_host="127.0.0.1", local_port=4000, codecs=("pcmu", "pcma"), session_id=1, version=1
        )
    except (MalformedDescription, NoCommonFormat) as problem:
        return problem


@pytest.mark.parametrize("name", list(BROKEN))
def test_what_is_no_description_is_malformed_within_ten_milliseconds(name: str) -> None:
    with pytest.raises(MalformedDescription):
        parse(BROKEN[name])
    assert cost(lambda: taken(BROKEN[name])) < 0.010


@pytest.mark.parametrize("name", list(UNUSABLE))
def test_what_we_cannot_take_is_refused_within_ten_milliseconds(name: str) -> None:
    assert isinstance(taken(UNUSABLE[name]), NoCommonFormat)
    assert cost(lambda: taken(UNUSABLE[name])) < 0.010


@pytest.mark.parametrize("name", ["a\r\nc=IN IP4 127.0.0.66", "a\nb", "a\0", "\ud800"])
def test_a_line_end_never_leaves_in_a_description(name: str) -> None:
    with pytest.raises(UnsafeText):
        to_bytes(Description(Origin(1, 1, "127.0.0.1"), name=name))


@settings(max_examples=150)
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    taken(data)
    taken(HEAD + b"c=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\na=" + data)
    taken(HEAD + b"m=audio " + data)


def test_mutated_descriptions_are_read_or_refused_and_what_is_read_is_stable() -> None:
    source = random.Random(8866)
    for _ in range(1_500):
        data = EXAMPLE
        for _ in range(source.randint(1, 4)):
            at, width = source.randrange(len(data)), source.choice((1, 1, 4, 20))
            piece = source.choice(
                (b"", bytes([source.randrange(256)]), b"=", b":", b" ", b"/", b"\r\n", b"\nm=", b"\nc=")
            )
            data = data[:at] + piece + data[at + width :] or b"v"
        if not isinstance(taken(data), MalformedDescription):
            assert parse(to_bytes(parse(data))) == parse(data)


WORDS = st.from_regex(r"\A[A-Za-z0-9/\-]{1,10}\Z")
VALUES = st.none() | st.from_regex(r"\A[A-Za-z0-9:;=/ \-]{0,20}\Z").map(lambda text: text.strip(" "))
ATTRIBUTES = st.lists(st.tuples(WORDS, VALUES), max_size=4).map(tuple)
HOSTS = st.none() | st.ip_addresses().map(str).filter(lambda host: "%" not in host)
MEDIA = st.builds(
    Media, WORDS, st.integers(0, 65_535), WORDS, st.lists(WORDS, min_size=1, max_size=4).map(tuple), HOSTS, ATTRIBUTES
)
ORIGINS = st.builds(Origin, st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), WORDS, WORDS)


@settings(max_examples=100)
@given(st.builds(Description, ORIGINS, st.lists(MEDIA, max_size=3).map(tuple), HOSTS, ATTRIBUTES, WORDS, WORDS))
def test_any_description_comes_back_from_its_bytes(description: Description) -> None:
    assert parse(to_bytes(description)) == description
