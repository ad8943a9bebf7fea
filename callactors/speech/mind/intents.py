"""What an utterance is, apart from what it is about: yes, no, hello, goodbye, a question, a wish for a person.

Each is a plain function of the text. They are asked in the order mind.py needs them.
"""

from __future__ import annotations

import re

from callactors.speech.mind.words import holds, listed, tokens

YES = listed("yes yeah yep yup sure correct right absolutely definitely certainly okay ok perfect exactly yea great")
YES_PHRASES = ("of course", "go ahead", "please do", "that works", "sounds good", "that's fine", "that is fine",
               "all right", "why not", "i do", "i would", "do it", "book it", "that's it", "fine by me")  # fmt: skip
NO = ["no", "nope", "nah", "wrong", "incorrect", "negative", "not", "don't", "isn't"]
DROP = ("never mind", "nevermind", "forget it", "forget about it", "cancel that", "leave it", "don't bother", "stop")
BYE = ("goodbye", "good bye", "bye", "bye bye", "that's all", "that is all", "that'll be all", "that's everything",
       "nothing else", "see you", "hang up", "have a nice day", "have a good day", "that's it thanks")  # fmt: skip
HELLO = ("hello", "hi", "hey", "good morning", "good afternoon", "good evening", "how are you", "are you there")
THANKS = ("thank you", "thanks", "cheers", "much appreciated")
PERSON = ("human", "operator", "representative", "receptionist", "real person", "real human", "somebody real",
          "someone real", "an agent", "live agent", "customer service", "a person")  # fmt: skip
SOMEBODY = ("person", "agent", "somebody", "someone", "anybody", "anyone", "manager", "staff", "people")
REACH = re.compile(r"\b(?:speak|talk|speaking|talking|transfer|connect|put me|get me|through)\b")
WH = frozenset(["what", "when", "where", "who", "why", "how", "which", "whose"])
MODAL = frozenset(["do", "does", "is", "are", "can", "could", "will", "would", "may", "have", "has"])
FACTS = re.compile(
    r"\b(?:how much|how long|how many|how do i|price|prices|cost|costs|charge|where|address|park|parking|open|"
    r"opening|close|closing|hours|accept|cards?|pay|what (?:services )?do you (?:do|offer)|"
    r"do you (?:do|have|offer|take|accept))\b"
)
ROOM = re.compile(r"\b(?:free|available|availability|appointments?|slots?|book|booking|anything|something|come in)\b")
LOOK = re.compile(
    r"\b(?:what (?:times? )?(?:do you have|have you got|is there)$|(?:anything|something) (?:else|in|on|earlier|later)|"
    r"what (?:do you have|have you got) (?:in|on|free|left|tomorrow|today)|free|available|availability|options|"
    r"openings|what times|which times|earliest|soonest)\b"
)
MACHINE = re.compile(
    r"\b(?:are you|is this|am i (?:talking|speaking) (?:to|with)) (?:an? |the )?"
    r"(?:real |actual |live )?(?:robot|bot|machine|computer|human|person|ai|automated|recording|real)\b"
)
HELLO_WORDS = frozenset(
    listed("hello hi hey good morning afternoon evening there again to you are how is anybody anyone")
)
THANKS_WORDS = frozenset(
    listed("thank thanks you very much so a lot cheers great okay ok that's that is good lovely kind of")
)


def is_yes(text: str) -> bool:
    """A yes that is not taken back in the same breath."""
    words = tokens(text)
    agreed = any(word in YES for word in words[:3]) or any(holds(words, phrase) for phrase in YES_PHRASES)
    return agreed and not any(word in NO for word in words)


def is_no(text: str) -> bool:
    """A no, also `that's not right`."""
    words = tokens(text)
    return any(word in NO for word in words) and not (words and words[0] in ("yes", "yeah"))


def drops(text: str) -> bool:
    """The caller gives up what was being arranged."""
    return any(holds(tokens(text), phrase) for phrase in DROP)


def is_goodbye(text: str) -> bool:
    """The caller is leaving, in so many words and few more."""
    words = tokens(text)
    return len(words) <= 10 and any(holds(words, phrase) for phrase in BYE)


def is_thanks(text: str) -> bool:
    """Nothing but thanks."""
    words = tokens(text)
    return any(holds(words, phrase) for phrase in THANKS) and THANKS_WORDS.issuperset(words)


def is_hello(text: str) -> bool:
    """Nothing but a greeting."""
    words = tokens(text)
    return any(holds(words, phrase) for phrase in HELLO) and HELLO_WORDS.issuperset(words)


def asks_machine(text: str) -> bool:
    """Whether we are a machine: a question owed a plain answer."""
    return bool(MACHINE.search(" ".join(tokens(text))))


def wants_person(text: str) -> bool:
    """A human, an agent, a person, an operator, a representative, somebody real."""
    words = tokens(text)
    if any(holds(words, phrase) for phrase in PERSON):
        return True
    named = any(word in SOMEBODY for word in words)
    return named and (bool(REACH.search(" ".join(words))) or len(words) <= 3)


def wants_through(text: str) -> bool:
    """To speak to somebody, whoever that is."""
    return bool(REACH.search(" ".join(tokens(text))))


def is_question(text: str) -> bool:
    """By its form: a question word or an inversion in front, or a question mark at the end."""
    words = [word for word in tokens(text) if word not in ("and", "so", "um", "well", "hi", "hello", "okay")]
    if not words:
        return False
    return words[0].split("'")[0] in WH or words[0] in MODAL or text.rstrip().endswith("?")


def asks_room(text: str) -> bool:
    """What there is to choose from: `what do you have`, `when is the earliest`."""
    return is_question(text) and bool(LOOK.search(" ".join(tokens(text))))


def asks_facts(text: str) -> bool:
    """A question about the house (prices, hours, place), rather than a wish in a question's form."""
    said = " ".join(tokens(text))
    return is_question(text) and bool(FACTS.search(said)) and not ROOM.search(said)
