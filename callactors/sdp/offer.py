"""Offer and answer (RFC 3264) for one stream of speech with telephone events (RFC 4733). Rules of this file:

- An answer has the offer's m= lines, same count, same order; what we do not take has port 0.
- The first audio stream with a codec of ours is taken. Of its codecs the offer's first that we allow is spoken (section
  6.1 asks for that), or, where the trunk wants it so, the first of ours that is offered.
- Which streams may be taken, and with which keys, is crypto.py's word: an encrypted one goes before one in clear.
- Payload numbers are per direction: we receive by our description's, we send by theirs (section 5.1).
- o= version grows by one when the description differs from `previous`, and only then (section 8).
- Whether we may send to an address is the media plane's list to decide; here only what can be no receiver is refused.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Literal

import attrs

from callactors.errors import MalformedDescription, NoCommonFormat
from callactors.rtp.srtp import Security
from callactors.sdp.crypto import AVP, CLEAR, Crypto, Protection, is_secure, settled
from callactors.sdp.description import (
    Attributes,
    Description,
    Media,
    Origin,
    decimal,
    numeric_host,
)
from callactors.sdp.formats import CodecName, Formats, packet_time, shown, to_offer
from callactors.sip.address import Address

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]

DIRECTIONS: tuple[Direction, ...] = ("sendrecv", "sendonly", "recvonly", "inactive")
PTIME = 20  # ms, what we ask for and send unless asked otherwise
LOWEST_PORT = 1_024  # nothing below receives RTP
NOWHERE = frozenset({"0.0.0.0", "::"})  # hold in the old way (section 8.4)


@attrs.frozen
class Agreement:
    """What both sides now know about the stream.

    `payload_type` and `telephone_event` are the numbers we receive, the `remote_` ones those we send. `direction` is
    ours. `ptime` is the milliseconds of audio the other side wants in a packet. `remote` is `0.0.0.0` on an old-style
    hold: then `direction` says we do not send.
    """

    local: Description
    codec: CodecName
    payload_type: int
    remote_payload_type: int
    telephone_event: int | None
    remote: Address
    remote_rtcp: Address
    direction: Direction
    ptime: int = PTIME
    remote_telephone_event: int | None = None
    parameters: str = ""  # what the far end's a=fmtp says of the codec
    event_clock: int = 8_000  # what the durations of telephone events count in, a second
    security: Security | None = None  # SRTP: the keys of both directions; None is plain RTP
    others: tuple[tuple[int, CodecName], ...] = ()  # our numbers: what they may send at any time (RFC 3264 section 7)

    def names(self, payload_type: int) -> bool:
        """Whether we may receive this, or comfort noise (RFC 3389): only such a packet may be believed."""
        return payload_type in (self.payload_type, self.telephone_event, 13) or payload_type in dict(self.others)

    @property
    def srtp(self) -> str:
        """The crypto suite; "" in clear."""
        return "" if self.security is None else self.security.send.suite

    @property
    def sends(self) -> bool:
        """Whether we may send audio."""
        return self.direction in ("sendrecv", "sendonly")

    @property
    def receives(self) -> bool:
        """Whether audio may come."""
        return self.direction in ("sendrecv", "recvonly")


def answer(
    offer: Description,
    *,
    local_host: str,
    local_port: int,
    codecs: Sequence[str],
    session_id: int,
    version: int,
    direction: Direction = "sendrecv",
    previous: Description | None = None,
    protection: Protection = CLEAR,
    ours_first: bool = False,
) -> Agreement:
    """Our answer to `offer`, as the `local` of an Agreement. `previous` is our last description of this session.

    With `ours_first` the order of `codecs` decides which of them is spoken, else the offer's.

    Raises NoCommonFormat (488) when no stream can be taken, MalformedDescription when a taken one makes no sense.
    """
    taken = _first_usable(offer, codecs, protection)
    theirs = offer.media[taken]
    formats = Formats.read(theirs)
    codec = _chosen(formats, codecs, ours_first)
    number, event = formats.codecs[codec], formats.event(codec)
    ours = _reply(_direction(offer, theirs), direction)
    line = _audio_line(local_port, formats.only(codec), ours)
    crypto, security = protection.reply(theirs)
    line = _secured(line, theirs.protocol, () if crypto is None else (crypto,))
    media = tuple(line if index == taken else _refused(media) for index, media in enumerate(offer.media))
    local = Description(Origin(session_id, version, local_host), media, local_host, time=offer.time)
    return Agreement(
        local=revised(previous, local),
        codec=codec,
        payload_type=number,
        remote_payload_type=number,
        telephone_event=event.number,
        remote=_remote(offer, theirs),
        remote_rtcp=_remote_rtcp(offer, theirs),
        direction=ours,
        ptime=_ptime(theirs, codec),
        remote_telephone_event=event.number,
        parameters=formats.fmtp[codec],
        event_clock=event.clock,
        security=security,
    )


def make_offer(
    *,
    local_host: str,
    local_port: int,
    codecs: Sequence[str],
    session_id: int,
    version: int = 1,
    direction: Direction = "sendrecv",
    previous: Description | None = None,
    events: bool = True,
    protocol: str = AVP,
    crypto: Sequence[Crypto] = (),
) -> Description:
    """An offer of one audio stream; with `previous` it keeps that session's m= lines (section 8).

    Without `events` there is no telephone-event in it: digits are tones then. What `protocol` and `crypto` say of
    encryption comes from Protection.offer.
    """
    before = () if previous is None else previous.media
    live = next((index for index, old in enumerate(before) if old.port), 0)
    formats = to_offer(codecs, events=events, previous=before[live] if before else None)
    line = _secured(_audio_line(local_port, formats, direction), protocol, crypto)
    media = tuple(line if index == live else _refused(old) for index, old in enumerate(before)) or (line,)
    return revised(previous, Description(Origin(session_id, version, local_host), media, local_host))


def accept_answer(offer: Description, answer: Description, *, clear_too: bool = False) -> Agreement:
    """What an answer to our offer settles. Raises MalformedDescription or NoCommonFormat (then: ACK and BYE).

    `clear_too`: who answers RTP/SAVP with RTP/AVP is taken at their word.
    """
    if len(answer.media) != len(offer.media):
        raise MalformedDescription(f"{len(answer.media)} streams answer {len(offer.media)}")
    taken = next((index for index, media in enumerate(offer.media) if media.port), None)
    if taken is None or not answer.media[taken].port:
        raise NoCommonFormat("the answer refuses our stream")
    mine, theirs = offer.media[taken], answer.media[taken]
    same = theirs.protocol == mine.protocol or (clear_too and is_secure(mine) and theirs.protocol == AVP)
    if theirs.kind != mine.kind or not same:
        raise MalformedDescription(f"{theirs.kind} {theirs.protocol} answers {mine.kind} {mine.protocol}"[:120])
    ours, agreed = Formats.read(mine), Formats.read(theirs)
    codec = next((name for name in agreed.codecs if name in ours.codecs), None)
    if codec is None:
        raise NoCommonFormat(f"the answer has no codec of ours: {shown(agreed.names())}")
    event = agreed.shared(ours).event(codec)
    return Agreement(
        local=offer,
        codec=codec,
        payload_type=ours.codecs[codec],
        remote_payload_type=agreed.codecs[codec],
        telephone_event=None if event.number is None else ours.events[event.clock],
        remote=_remote(answer, theirs),
        remote_rtcp=_remote_rtcp(answer, theirs),
        direction=_reply(_direction(answer, theirs), _stated(mine.attributes) or "sendrecv"),
        ptime=_ptime(theirs, codec),
        remote_telephone_event=event.number,
        parameters=agreed.fmtp[codec],
        event_clock=event.clock,
        security=settled(mine, theirs),
        others=tuple((ours.codecs[name], name) for name in agreed.codecs if name in ours.codecs and name != codec),
    )


def revised(previous: Description | None, now: Description) -> Description:
    """`now` with the o= line it must have after `previous`: the same version if nothing else changed, else one more."""
    if previous is None:
        return now
    same = attrs.evolve(now, origin=previous.origin)
    if same == previous:
        return previous
    version = previous.origin.version + 1
    return attrs.evolve(now, origin=attrs.evolve(previous.origin, version=version, host=now.origin.host))


def live_stream(description: Description | None) -> Media | None:
    """The stream of a description of ours that is not refused; None where there is none."""
    return None if description is None else next((media for media in description.media if media.port), None)


def _secured(line: Media, protocol: str, crypto: Sequence[Crypto]) -> Media:
    attributes = (*(one.attribute() for one in crypto), *line.attributes)
    return attrs.evolve(line, protocol=protocol, attributes=attributes)


def _first_usable(offer: Description, codecs: Sequence[str], protection: Protection) -> int:
    audio = [index for index, media in enumerate(offer.media) if media.kind == "audio" and media.port]
    names: list[str] = []
    for position in protection.usable([offer.media[index] for index in audio]):
        formats = Formats.read(offer.media[audio[position]])
        if any(name in codecs for name in formats.codecs):
            return audio[position]
        names += formats.names()
    raise NoCommonFormat(f"no codec of ours is offered: {shown(names)}")


def _chosen(formats: Formats, codecs: Sequence[str], ours_first: bool) -> CodecName:
    common = [name for name in formats.codecs if name in codecs]
    return min(common, key=list(codecs).index) if ours_first else common[0]


def _audio_line(port: int, formats: Formats, direction: Direction) -> Media:
    numbers, attributes = formats.lines()
    return Media("audio", port, "RTP/AVP", numbers, attributes=(*attributes, ("ptime", str(PTIME)), (direction, None)))


def _refused(media: Media) -> Media:
    return Media(media.kind, 0, media.protocol, media.formats)


def _stated(attributes: Attributes) -> Direction | None:
    return next((known for name, _ in attributes for known in DIRECTIONS if name == known), None)


def _direction(description: Description, media: Media) -> Direction:
    """What they say of themselves; c=0.0.0.0 means they do not receive (section 8.4)."""
    said = _stated(media.attributes) or _stated(description.attributes) or "sendrecv"
    if (media.host or description.host) not in NOWHERE:
        return said
    return "sendonly" if said in ("sendrecv", "sendonly") else "inactive"


def _reply(theirs: Direction, wanted: Direction) -> Direction:
    """Ours, given theirs and what we would like (section 6.1)."""
    sends = theirs in ("sendrecv", "recvonly") and wanted in ("sendrecv", "sendonly")
    receives = theirs in ("sendrecv", "sendonly") and wanted in ("sendrecv", "recvonly")
    table: dict[tuple[bool, bool], Direction] = {
        (True, True): "sendrecv",
        (True, False): "sendonly",
        (False, True): "recvonly",
        (False, False): "inactive",
    }
    return table[sends, receives]


def _remote(description: Description, media: Media) -> Address:
    host = media.host or description.host
    if host is None:
        raise MalformedDescription("a stream without c=")
    return _receiver(host, media.port)


def _remote_rtcp(description: Description, media: Media) -> Address:
    """a=rtcp (RFC 3605), else the port above; also when what it says can be no receiver (browsers write port 9)."""
    remote = _remote(description, media)
    above = Address(remote.host, min(remote.port + 1, 65_535))
    number, space, connection = (media.attribute("rtcp") or "").partition(" ")
    if not number:
        return above
    try:
        return _receiver(
            numeric_host(connection) if space else remote.host, decimal(number, 65_535, "not an RTCP port")
        )
    except MalformedDescription:
        return above


def _receiver(host: str, port: int) -> Address:
    address = ipaddress.ip_address(host)
    if port < LOWEST_PORT or address.is_multicast or host == "255.255.255.255":
        raise MalformedDescription(f"nobody receives RTP at {Address(host, port)}")
    return Address(host, port)


def _ptime(media: Media, codec: CodecName) -> int:
    """What they want in a packet, as far as the codec has it: from 10 to 60 ms, never over their maxptime; else 20."""
    wanted = _milliseconds(media.attribute("ptime")) or PTIME
    return packet_time(codec, wanted, _milliseconds(media.attribute("maxptime")) or 60)


def _milliseconds(text: str | None) -> int:
    text = (text or "").strip(" ")
    return int(text) if len(text) <= 4 and text.isascii() and text.isdigit() else 0
