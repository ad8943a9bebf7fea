"""What the plane tells of a leg's media, as messages."""

from __future__ import annotations

from callactors.actors.messages import (
    AgentHeard,
    AgentSpoke,
    AgentStarted,
    CallerAudio,
    DigitPressed,
    Message,
    OneWayAudio,
    RtpWentSilent,
)
from callactors.rtp.events import (
    AudioArrived,
    AudioSent,
    DigitArrived,
    MediaEvent,
    OneWay,
    UtteranceHeard,
    UtteranceStarted,
    WentSilent,
)


def caller_audio(event: AudioArrived, leg: int) -> CallerAudio:
    """One batch of what the far end says."""
    return CallerAudio(
        at=event.at,
        leg=leg,
        format=event.format,
        audio=event.audio,
        position=event.position,
        lost_ms=event.lost_ms,
        first_rtp_at=event.first_rtp_at,
    )


def agent_heard(event: AudioSent, leg: int) -> AgentHeard:
    """What left for the far end."""
    return AgentHeard(at=event.at, leg=leg, format=event.format, audio=event.audio, position=event.position)


def media_message(event: MediaEvent, leg: int, now: float, *, private: bool = False) -> Message | None:
    """Anything but audio; None for what nobody needs to know. What is keyed in `private` is sensitive."""
    match event:
        case UtteranceStarted():
            return AgentStarted(at=now, utterance=event.utterance, first_rtp_at=event.at)
        case UtteranceHeard():
            return AgentSpoke(at=now, utterance=event.utterance, ms=event.ms, first_rtp_at=event.first_rtp_at)
        case DigitArrived():
            return DigitPressed(at=now, leg=leg, digit=event.digit, sensitive=private, audible=event.tone)
        case WentSilent():
            return RtpWentSilent(
                at=now, leg=leg, since=event.since, malformed=event.malformed, strangers=event.strangers
            )
        case OneWay():
            return OneWayAudio(at=now, leg=leg, direction=event.direction, since=event.since, over=event.over)
        case _:
            return None
