"""Offer and answer, rule by rule (RFC 3264), and two of us against each other."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.errors import MalformedDescription, NoCommonFormat
from callactors.sdp.description import Description, parse
from callactors.sdp.offer import DIRECTIONS, Agreement, Direction, accept_answer, make_offer
from callactors.sdp.offer import answer as make_answer
from callactors.sip.address import Address

BOTH = ("pcmu", "pcma")


def sdp(*media: str, host: str | None = "127.0.0.11") -> Description:
    """A description with these lines from the first m= on."""
    connection = [] if host is None else [f"c=IN {'IP6' if ':' in host else 'IP4'} {host}"]
    lines = ["v=0", "o=- 5 5 IN IP4 127.0.0.10", "s=-", *connection, "t=0 0", *media]
    return parse("".join(f"{line}\r\n" for line in lines).encode())


def answer(
    offer: Description,
    codecs: Sequence[str] = BOTH,
    direction: Direction = "sendrecv",
    port: int = 20_000,
    previous: Description | None = None,
) -> Agreement:
    return make_answer(
        offer,
        local_host="127.0.0.1",
        local_port=port,
        codecs=codecs,
        session_id=7,
        version=1,
        direction=direction,
        previous=previous,
    )


def offered(direction: Direction = "sendrecv", previous: Description | None = None, port: int = 20_000) -> Description:
    return make_offer(
        local_host="127.0.0.1",
        local_port=port,
        codecs=BOTH,
        session_id=7,
        direction=direction,
        previous=previous,
    )


def test_a_plain_offer_is_agreed() -> None:
    agreement = answer(sdp("m=audio 4000 RTP/AVP 0 8 101", "a=rtpmap:101 telephone-event/8000"))
    assert (agreement.codec, agreement.payload_type, agreement.remote_payload_type) == ("pcmu", 0, 0)
    assert (agreement.telephone_event, agreement.remote_telephone_event) == (101, 101)
    assert (agreement.remote, agreement.remote_rtcp) == (Address("127.0.0.11", 4000), Address("127.0.0.11", 4001))
    assert (agreement.direction, agreement.ptime) == ("sendrecv", 20)


def test_the_answer_on_the_wire() -> None:
    agreement = answer(sdp("m=audio 4000 RTP/AVP 8 96", "a=rtpmap:96 telephone-event/8000"))
    assert bytes(agreement.local).decode().split("\r\n") == [
        "v=0",
        "o=- 7 1 IN IP4 127.0.0.1",
        "s=-",
        "c=IN IP4 127.0.0.1",
        "t=0 0",
        "m=audio 20000 RTP/AVP 8 96",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:96 telephone-event/8000",
        "a=fmtp:96 0-15",
        "a=ptime:20",
        "a=sendrecv",
        "",
    ]


def test_the_offers_order_of_codecs_is_honoured() -> None:
    assert answer(sdp("m=audio 4000 RTP/AVP 18 8 0")).codec == "pcma"


def test_a_codec_we_do_not_allow_is_not_taken() -> None:
    assert answer(sdp("m=audio 4000 RTP/AVP 8 0"), codecs=("pcmu",)).codec == "pcmu"


def test_a_codec_may_have_a_dynamic_number() -> None:
    agreement = answer(sdp("m=audio 4000 RTP/AVP 97 98", "a=rtpmap:97 opus/48000/2", "a=rtpmap:98 pcma/8000/1"))
    assert (agreement.codec, agreement.payload_type, agreement.telephone_event) == ("pcma", 98, None)


def test_a_static_number_given_another_meaning_is_not_ours() -> None:
    with pytest.raises(NoCommonFormat):
        answer(sdp("m=audio 4000 RTP/AVP 0", "a=rtpmap:0 G722/8000"))


def test_the_answer_has_the_offers_streams_in_order_and_port_0_for_what_we_refuse() -> None:
    offer = sdp(
        "m=video 5000 RTP/AVP 31",
        "m=audio 0 RTP/AVP 0",
        "m=audio 4000 RTP/SAVP 0",
        "m=audio 4002 RTP/AVP 18",
        "m=audio 4004 RTP/AVP 0",
        "m=audio 4006 RTP/AVP 0",
        "m=image 6000 udptl t38",
    )
    local = answer(offer).local
    assert [(media.kind, media.port) for media in local.media] == [
        ("video", 0),
        ("audio", 0),
        ("audio", 0),
        ("audio", 0),
        ("audio", 20_000),
        ("audio", 0),
        ("image", 0),
    ]
    assert [media.protocol for media in local.media] == [media.protocol for media in offer.media]


def test_the_answer_repeats_the_offers_time() -> None:
    offer = parse(b"v=0\no=- 1 1 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nt=10 20\nm=audio 4000 RTP/AVP 0\n")
    assert answer(offer).local.time == "10 20"


@pytest.mark.parametrize(
    "lines",
    [["m=audio 4000 RTP/AVP 18"], ["m=audio 4000 RTP/SAVP 0"], ["m=audio 0 RTP/AVP 0"], ["m=video 1 RTP/AVP 0"], []],
)
def test_without_a_common_format_there_is_no_agreement(lines: list[str]) -> None:
    with pytest.raises(NoCommonFormat):
        answer(sdp(*lines))


@pytest.mark.parametrize(
    ("theirs", "wanted", "ours"),
    [
        ("sendrecv", "sendrecv", "sendrecv"),
        ("sendonly", "sendrecv", "recvonly"),
        ("recvonly", "sendrecv", "sendonly"),
        ("inactive", "sendrecv", "inactive"),
        ("sendrecv", "sendonly", "sendonly"),
        ("sendonly", "sendonly", "inactive"),
        ("sendrecv", "inactive", "inactive"),
    ],
)
def test_directions_are_answered_as_section_6_1_says(theirs: str, wanted: Direction, ours: Direction) -> None:
    agreement = answer(sdp("m=audio 4000 RTP/AVP 0", f"a={theirs}"), direction=wanted)
    assert agreement.direction == ours
    assert agreement.local.media[0].attribute(ours) == ""
    assert (agreement.sends, agreement.receives) == (ours in ("sendrecv", "sendonly"), ours in ("sendrecv", "recvonly"))


def test_a_direction_of_the_session_counts_where_the_stream_says_nothing() -> None:
    offer = parse(b"v=0\no=- 1 1 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\na=sendonly\nm=audio 4000 RTP/AVP 0\n")
    assert answer(offer).direction == "recvonly"


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_the_null_address_is_a_hold_and_we_send_nothing(host: str) -> None:
    agreement = answer(sdp("m=audio 4000 RTP/AVP 0", host=host))
    assert (agreement.direction, agreement.remote.host) == ("recvonly", host)


def test_the_null_address_with_recvonly_is_inactive() -> None:
    assert answer(sdp("m=audio 4000 RTP/AVP 0", "a=recvonly", host="0.0.0.0")).direction == "inactive"


def test_a_streams_own_address_counts_before_the_sessions() -> None:
    assert answer(sdp("m=audio 4000 RTP/AVP 0", "c=IN IP6 2001:db8::5")).remote == Address("2001:db8::5", 4000)


@pytest.mark.parametrize(
    ("attribute", "address"),
    [
        ("rtcp:5001", Address("127.0.0.11", 5001)),
        ("rtcp:5001 IN IP4 127.0.0.12", Address("127.0.0.12", 5001)),
        ("rtcp:9 IN IP4 0.0.0.0", Address("127.0.0.11", 4001)),
        ("rtcp:x", Address("127.0.0.11", 4001)),
        ("rtcp:5001 IN IP4 host.example", Address("127.0.0.11", 4001)),
        ("rtcp", Address("127.0.0.11", 4001)),
    ],
)
def test_rtcp_goes_where_the_attribute_says_if_that_can_be(attribute: str, address: Address) -> None:
    assert answer(sdp("m=audio 4000 RTP/AVP 0", f"a={attribute}")).remote_rtcp == address


@pytest.mark.parametrize(
    ("attributes", "ptime"),
    [
        (["ptime:30"], 30),
        (["ptime:30", "maxptime:20"], 20),
        (["maxptime:10"], 10),
        (["ptime:200"], 60),
        (["ptime:5"], 10),
        (["ptime:25"], 20),
        (["ptime:0"], 20),
        (["ptime:x"], 20),
        (["ptime:99999"], 20),
        (["ptime"], 20),
    ],
)
def test_ptime_is_what_they_want_within_reason(attributes: list[str], ptime: int) -> None:
    assert answer(sdp("m=audio 4000 RTP/AVP 0", *(f"a={text}" for text in attributes))).ptime == ptime


@pytest.mark.parametrize(
    ("host", "port"),
    [("224.0.0.1", 4000), ("ff02::1", 4000), ("255.255.255.255", 4000), ("127.0.0.1", 53), (None, 4000)],
)
def test_an_address_that_can_be_no_receiver_is_refused(host: str | None, port: int) -> None:
    with pytest.raises(MalformedDescription):
        answer(sdp(f"m=audio {port} RTP/AVP 0", host=host))


def test_payload_numbers_that_read_as_rtcp_are_not_taken() -> None:
    with pytest.raises(NoCommonFormat):
        answer(sdp("m=audio 4000 RTP/AVP 72", "a=rtpmap:72 PCMU/8000"))


def test_the_version_grows_by_one_when_the_answer_changed_and_only_then() -> None:
    first = answer(sdp("m=audio 4000 RTP/AVP 0")).local
    same = answer(sdp("m=audio 4000 RTP/AVP 0"), previous=first).local
    held = answer(sdp("m=audio 4000 RTP/AVP 0", "a=sendonly"), previous=same).local
    back = answer(sdp("m=audio 4000 RTP/AVP 0"), previous=held).local
    assert [local.origin.version for local in (first, same, held, back)] == [1, 1, 2, 3]
    assert {local.origin.session_id for local in (first, same, held, back)} == {7}


def test_a_new_offer_keeps_the_sessions_streams_and_their_places() -> None:
    first = answer(sdp("m=video 5000 RTP/AVP 31", "m=audio 4000 RTP/AVP 0")).local
    again = offered("inactive", previous=first)
    assert [(media.kind, media.port) for media in again.media] == [("video", 0), ("audio", 20_000)]
    assert (again.origin.version, offered("inactive", previous=again)) == (2, again)


def test_an_offer_lists_our_codecs_in_our_order() -> None:
    offer = make_offer(local_host="::1", local_port=20_000, codecs=("pcma", "pcmu", "g729"), session_id=1)
    assert offer.media[0].formats == ("8", "0", "101")
    assert bytes(offer).splitlines()[3] == b"c=IN IP6 ::1"


def test_payload_numbers_are_per_direction() -> None:
    agreement = accept_answer(
        offered(),
        sdp("m=audio 4000 RTP/AVP 97 96", "a=rtpmap:97 PCMA/8000", "a=rtpmap:96 telephone-event/8000"),
    )
    assert (agreement.codec, agreement.payload_type, agreement.remote_payload_type) == ("pcma", 8, 97)
    assert (agreement.telephone_event, agreement.remote_telephone_event) == (101, 96)


def test_events_they_did_not_take_are_not_agreed() -> None:
    agreement = accept_answer(offered(), sdp("m=audio 4000 RTP/AVP 0"))
    assert (agreement.telephone_event, agreement.remote_telephone_event) == (None, None)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["m=audio 4000 RTP/AVP 0", "m=audio 4002 RTP/AVP 0"],
        ["m=video 4000 RTP/AVP 0"],
        ["m=audio 4000 RTP/SAVP 0"],
    ],
)
def test_an_answer_that_does_not_fit_the_offer_is_malformed(lines: list[str]) -> None:
    with pytest.raises(MalformedDescription):
        accept_answer(offered(), sdp(*lines))


@pytest.mark.parametrize("line", ["m=audio 0 RTP/AVP 0", "m=audio 4000 RTP/AVP 18"])
def test_an_answer_without_our_stream_is_no_agreement(line: str) -> None:
    with pytest.raises(NoCommonFormat):
        accept_answer(offered(), sdp(line))


def test_an_offer_that_offers_nothing_can_have_no_agreement() -> None:
    with pytest.raises(NoCommonFormat):
        accept_answer(sdp("m=audio 0 RTP/AVP 0"), sdp("m=audio 0 RTP/AVP 0"))


@settings(max_examples=100)
@given(st.permutations(BOTH), st.permutations(BOTH), st.sampled_from(DIRECTIONS), st.sampled_from(DIRECTIONS))
def test_two_of_us_always_agree_with_each_other(
    mine: list[str], yours: list[str], offers: Direction, wants: Direction
) -> None:
    offer = make_offer(local_host="127.0.0.1", local_port=30_000, codecs=mine, session_id=1, direction=offers)
    called = answer(parse(bytes(offer)), codecs=yours, direction=wants)
    caller = accept_answer(offer, parse(bytes(called.local)))
    assert (caller.codec, caller.remote_payload_type) == (called.codec, called.payload_type)
    assert (caller.sends, caller.receives) == (called.receives, called.sends)
    assert (caller.remote, called.remote) == (Address("127.0.0.1", 20_000), Address("127.0.0.1", 30_000))
    assert caller.remote_telephone_event == called.telephone_event == 101
