"""The house's own sentences: cached at once, else by a model where there is one; nobody waits for the impossible."""

from __future__ import annotations

import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import AgentAudio, AgentAudioEnded, Message, SayThis
from callactors.audio.format import AudioFormat
from callactors.calls.voice import Voice


def silent(text: str, format: AudioFormat) -> bytes | None:
    return b"\x00" * 160 if text == "Hello." else None


def made() -> tuple[Voice, Mailbox[Message]]:
    played: Mailbox[Message] = Mailbox(16)
    return Voice(silent, lambda: AudioFormat.PCMU, played), played


def waiting(mailbox: Mailbox[Message]) -> list[Message]:
    return [mailbox.receive_nowait() for _ in range(mailbox.statistics().waiting)]


async def test_a_cached_phrase_needs_no_model() -> None:
    voice, played = made()
    voice.say("local:1", "Hello.")
    assert [type(message) for message in waiting(played)] == [AgentAudio, AgentAudioEnded]


async def test_a_phrase_that_is_not_cached_waits_for_the_model_that_is_still_opening() -> None:
    voice, played = made()
    voice.say("local:1", "Good evening.")
    assert voice.waits_for("local:1")
    model: Mailbox[Message] = Mailbox(4)
    voice.model_came(model)
    (asked,) = waiting(model)
    assert isinstance(asked, SayThis)
    assert (asked.text, asked.utterance) == ("Good evening.", "local:1")
    assert waiting(played) == []


async def test_nobody_waits_for_a_phrase_that_no_model_will_say(autojump_clock: trio.abc.Clock) -> None:
    voice, _ = made()
    voice.say("local:1", "Good evening.")
    assert voice.model_went(hopeless=True) == ["local:1"]
    voice.say("local:2", "Goodbye.")
    with trio.fail_after(1):
        await voice.heard("local:1", 60)
        await voice.heard("local:2", 60)


async def test_a_barge_in_frees_everybody_who_waits() -> None:
    voice, _ = made()
    voice.say("local:1", "Hello.")
    voice.say("local:2", "Good evening.")
    assert voice.cut_off() == ["local:1", "local:2"]
    assert not voice.waits_for("local:1")
