"""Which codecs and telephone events a line has, which are agreed on, and what is said of them."""

from __future__ import annotations

import pytest

from callactors.errors import NoCommonFormat
from callactors.sdp.description import Description, parse
from callactors.sdp.formats import CodecName
from callactors.sdp.offer import Agreement, accept_answer, make_offer
from callactors.sdp.offer import answer as make_answer

ALL = ("opus", "g722", "pcmu", "pcma")
WEBRTC = (
    "m=audio 4000 RTP/AVP 96 9 0 97 98",
    "a=rtpmap:96 opus/48000/2",
    "a=fmtp:96 useinbandfec=1; stereo=1; sprop-stereo=1;maxaveragebitrate=20000",
    "a=rtpmap:97 telephone-event/48000",
    "a=rtpmap:98 telephone-event/8000",
)


def sdp(*media: str) -> Description:
    lines = ["v=0", "o=- 5 5 IN IP4 127.0.0.10", "s=-", "c=IN IP4 127.0.0.11", "t=0 0", *media]
    return parse("".join(f"{line}\r\n" for line in lines).encode())


def answer(*media: str, codecs: tuple[str, ...] = ALL, ours_first: bool = False) -> Agreement:
    return make_answer(
        sdp(*media),
        local_host="127.0.0.1",
        local_port=20_000,
        codecs=codecs,
        session_id=7,
        version=1,
        ours_first=ours_first,
    )


def offered(*codecs: str, previous: Description | None = None) -> Description:
    return make_offer(local_host="127.0.0.1", local_port=20_000, codecs=codecs, session_id=7, previous=previous)


def test_a_stereo_offer_of_opus_is_answered_with_one_channel_and_what_we_can() -> None:
    agreement = answer(*WEBRTC)
    assert (agreement.codec, agreement.payload_type, agreement.event_clock) == ("opus", 96, 48_000)
    assert (agreement.telephone_event, agreement.remote_telephone_event) == (97, 97)
    assert agreement.parameters.startswith("useinbandfec=1; stereo=1")
    [line] = agreement.local.media
    assert line.formats == ("96", "97")
    assert line.attribute("rtpmap") == "96 opus/48000/2"  # the 2 stands there whatever is sent (RFC 7587 section 7)
    assert "stereo" not in (line.attribute("fmtp") or "")
    assert "useinbandfec=1" in (line.attribute("fmtp") or "")


def test_digits_run_on_the_clock_of_the_codec_beside_them() -> None:
    agreement = answer(*WEBRTC, codecs=("pcmu",))
    assert (agreement.codec, agreement.telephone_event, agreement.event_clock) == ("pcmu", 98, 8_000)


def test_digits_on_another_clock_are_better_than_none() -> None:
    agreement = answer("m=audio 4000 RTP/AVP 96 101", "a=rtpmap:96 opus/48000/2", "a=rtpmap:101 telephone-event/8000")
    assert (agreement.codec, agreement.telephone_event, agreement.event_clock) == ("opus", 101, 8_000)
    assert "101 telephone-event/8000" in [value for _, value in agreement.local.media[0].attributes]


@pytest.mark.parametrize(("ours_first", "spoken"), [(False, "pcmu"), (True, "opus")])
def test_the_offers_order_counts_unless_the_trunk_wants_its_own(ours_first: bool, spoken: CodecName) -> None:
    assert answer("m=audio 4000 RTP/AVP 0 111", "a=rtpmap:111 OPUS/48000/2", ours_first=ours_first).codec == spoken


def test_a_tab_parts_a_number_from_its_meaning_too() -> None:
    assert answer("m=audio 4000 RTP/AVP 96", "a=fmtp:96\tuseinbandfec=1", "a=rtpmap:96\topus/48000/2").codec == "opus"


def test_g722_is_known_by_its_number_alone() -> None:
    agreement = answer("m=audio 4000 RTP/AVP 9 0")
    assert (agreement.codec, agreement.payload_type) == ("g722", 9)


@pytest.mark.parametrize(
    ("media", "names"),
    [
        (("m=audio 4000 RTP/AVP 18 4 101", "a=rtpmap:101 telephone-event/8000"), "G729/8000, G723/8000"),
        (("m=audio 4000 RTP/AVP 97 13", "a=rtpmap:97 AMR-WB/16000/1", "a=rtpmap:13 CN/8000"), "AMR-WB/16000/1"),
        (("m=audio 4000 RTP/AVP 97", "a=rtpmap:97 <script>/8000"), "no audio at all"),
        (("m=audio 4000 RTP/AVP 111", "a=rtpmap:111 opus/24000/1"), "OPUS/24000/1"),
        (("m=audio 4000 RTP/AVP 96 13",), "96 without a=rtpmap"),
    ],
)
def test_a_refusal_names_what_was_offered(media: tuple[str, ...], names: str) -> None:
    with pytest.raises(NoCommonFormat) as refused:
        answer(*media)
    assert str(refused.value) == f"no codec of ours is offered: {names}"


def test_a_long_list_of_strange_codecs_is_cut() -> None:
    numbers = range(96, 120)
    maps = [f"a=rtpmap:{number} X{number}/8000" for number in numbers]
    with pytest.raises(NoCommonFormat) as refused:
        answer(f"m=audio 4000 RTP/AVP {' '.join(map(str, numbers))}", *maps)
    assert str(refused.value).endswith("X103/8000 and others")


def test_an_offer_has_telephone_events_on_both_clocks_when_opus_is_in_it() -> None:
    [line] = offered("opus", "pcmu").media
    assert line.formats == ("111", "0", "110", "101")
    maps = [value for name, value in line.attributes if name == "rtpmap"]
    assert maps[2:] == ["110 telephone-event/48000", "101 telephone-event/8000"]


def test_the_answer_settles_the_codec_its_parameters_and_the_clock_of_digits() -> None:
    offer = offered("opus", "pcmu")
    both = answer("m=audio 4000 RTP/AVP 0", codecs=("pcmu",))
    assert accept_answer(offer, both.local).codec == "pcmu"
    theirs = sdp(
        "m=audio 4000 RTP/AVP 111 101",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 usedtx=1",
        "a=rtpmap:101 telephone-event/8000",
    )
    agreement = accept_answer(offer, theirs)
    assert (agreement.codec, agreement.parameters, agreement.event_clock) == ("opus", "usedtx=1", 8_000)
    assert (agreement.telephone_event, agreement.remote_telephone_event) == (101, 101)


def test_a_number_once_given_stays_for_the_session() -> None:
    said = answer("m=audio 4000 RTP/AVP 111 96", "a=rtpmap:111 telephone-event/48000", "a=rtpmap:96 opus/48000/2")
    again = offered("opus", "pcmu", previous=said.local)
    maps = [value for name, value in again.media[0].attributes if name == "rtpmap"]
    assert maps == ["96 opus/48000/2", "0 PCMU/8000", "111 telephone-event/48000", "101 telephone-event/8000"]


@pytest.mark.parametrize(("wanted", "sent"), [(10, 10), (20, 20), (30, 20), (40, 40), (50, 40), (60, 60), (120, 60)])
def test_a_packet_of_opus_is_one_frame_of_its_lengths(wanted: int, sent: int) -> None:
    assert answer("m=audio 4000 RTP/AVP 96", "a=rtpmap:96 opus/48000/2", f"a=ptime:{wanted}").ptime == sent
