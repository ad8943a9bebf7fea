"""What a process prepares before its first call: scenarios with personas, tools and stores; models; phrases as audio.

Blocking where files are read: it runs once, at start. Everything wrong is a ConfigError with file and line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import attrs
import trio
from sqlalchemy.exc import SQLAlchemyError

from callactors.audio.codecs import FORMATS, speakable
from callactors.audio.convert import convert
from callactors.audio.format import AudioFormat
from callactors.calls.contain import first_of
from callactors.calls.models import ModelLine, embedded, over_websocket
from callactors.calls.playbook import Playbook
from callactors.config import Config, ConfigErrors, files
from callactors.config.schema import EmbeddedModel
from callactors.errors import CallactorsError, Unusable
from callactors.meters.log import log
from callactors.net.lane_clock import LaneClock
from callactors.scenario import Library, Scenario, recording_mode
from callactors.scenario import check as check_scenario
from callactors.scenario.library import read
from callactors.scenario.schema import Phrases
from callactors.speech.brain import Brain, BrainNotReady
from callactors.speech.mind import wording
from callactors.speech.mind.slots import slots_of
from callactors.speech.pieces import pieces
from callactors.stores.calendar import Calendar
from callactors.stores.crm import Crm
from callactors.stores.knowledge import Knowledge
from callactors.tools.desk import Desk
from callactors.tools.loading import load_vertical

NARROW = frozenset({AudioFormat.PCMU, AudioFormat.PCMA})


def formats_of(config: Config) -> frozenset[AudioFormat]:
    """What the legs of its trunks may sound like: G.711 always, more where a trunk speaks more."""
    spoken = (codec for trunk in config.trunks.values() for codec in speakable(trunk.codecs))
    return NARROW | {FORMATS[codec] for codec in spoken}


def made_as(formats: Iterable[AudioFormat]) -> set[AudioFormat]:
    """The linear formats a voice must speak so that all of `formats` can be made of them, none sounding narrower."""
    return {AudioFormat.PCM16_8K if format.rate == 8_000 else AudioFormat.PCM16 for format in formats}


@attrs.define
class PhraseBook:
    """The house's own sentences as audio, in every format of its legs; what is not in it the model says."""

    formats: frozenset[AudioFormat] = NARROW
    audio: dict[tuple[str, AudioFormat], bytes] = attrs.field(factory=dict)

    def cached(self, text: str, format: AudioFormat) -> bytes | None:
        return self.audio.get((text, format))

    async def fill(self, brain: Brain, texts: Iterable[str]) -> None:
        """Synthesise what the disk does not have yet."""
        for text in texts:
            for source in sorted(made_as(self.formats)):
                pcm = await brain.phrase(text, source)
                for format in self.formats:
                    if made_as([format]) == {source}:
                        self.audio[text, format] = convert(pcm, source, format)


def texts_of(playbooks: Mapping[str, Playbook]) -> Iterator[str]:
    """Every fixed sentence of every scenario, in every language."""
    for playbook in playbooks.values():
        for language in playbook.scenario.languages:
            yield playbook.scenario.greeting(language)
            phrases = playbook.scenario.phrases_for(language)
            yield from (getattr(phrases, name) for name in Phrases.__struct_fields__)


def said_often(playbooks: Mapping[str, Playbook]) -> Iterator[str]:
    """What the embedded mind says on almost every call: what tools must know, and a few sentences of its own."""
    for playbook in playbooks.values():
        for tool in playbook.tools.values():
            yield from (wording.question(slot) for slot in slots_of(tool.parameters) if slot.required)
    yield from (
        wording.READ_BACK,
        wording.IS_THAT_RIGHT,
        wording.ANYTHING_ELSE,
        wording.TO_A_PERSON,
        wording.NOT_CAUGHT,
    )


async def rehearse(brain: Brain, texts: Iterator[str], formats: Iterable[AudioFormat] = NARROW) -> None:
    """Have these texts, piece by piece, in memory and on disk before somebody waits for them."""
    for piece in dict.fromkeys(piece for text in texts for piece in pieces(text)):
        for source in sorted(made_as(formats)):
            await brain.phrase(piece, source)


def location_of(config: Config) -> str:
    """The PIDF-LO document of `emergency.location`; "" without one. Raises ConfigError."""
    name = config.emergency.location if config.emergency is not None else None
    return read(Path(files.beside(config, name))) if name is not None else ""


def playbooks(
    config: Config, agents: Path | None, closing: ExitStack, others: Iterable[str] = ()
) -> dict[str, Playbook]:
    """Every scenario that `numbers` names, and the `others`, ready. `closing` closes their stores."""
    library = Library.find(agents)
    names = dict.fromkeys([*(number.scenario for number in config.numbers), *others])
    return {name: _playbook(library.scenario(name), library, config, closing) for name in names}


def _playbook(scenario: Scenario, library: Library, config: Config, closing: ExitStack) -> Playbook:
    vertical = load_vertical(library.agents(scenario.scenario), scenario.scenario)
    problems = check_scenario(scenario, config, vertical.tools)
    if problems:
        raise ConfigErrors(problems)
    make_desk = _desks(config.stores.url, scenario.scenario, closing)
    desk = make_desk("")
    if scenario.knowledge:
        desk.knowledge.load(library.knowledge(scenario))
    if vertical.prepare is not None:
        vertical.prepare(desk)
    return Playbook(
        scenario=scenario,
        personas={name: library.persona(scenario, name) for name in scenario.agents},
        tools=vertical.tools,
        targets={name: config.target(name) for name in scenario.handoff.targets},
        make_desk=make_desk,
        recording=recording_mode(scenario, config),
    )


@attrs.frozen
class _Desks:
    """Makes one desk a call over the scenario's own stores."""

    calendar: Calendar
    crm: Crm
    knowledge: Knowledge

    def __call__(self, caller: str) -> Desk:
        return Desk(self.calendar, self.crm, self.knowledge, caller, datetime.now)


def _desks(url: str, house: str, closing: ExitStack) -> _Desks:
    try:
        desks = _Desks(Calendar(url, house), Crm(url), Knowledge(url, house))
    except (SQLAlchemyError, OSError) as error:
        problem = str(error).splitlines()[0]
        raise Unusable(f"stores.url: {url} cannot be used: {problem}; name another, or repair it") from error
    for store in (desks.calendar, desks.crm, desks.knowledge):
        closing.callback(store.close)
    return desks


def model_lines(config: Config, brain: Brain | None, clock: LaneClock) -> dict[str, ModelLine]:
    """Every configured model as something a call can open a session with. `clock` is the media plane's."""
    lines: dict[str, ModelLine] = {}
    for name, settings in config.models.items():
        if isinstance(settings, EmbeddedModel):
            assert brain is not None  # needs_brain said so
            lines[name] = embedded(name, settings, brain)
        else:
            lines[name] = over_websocket(name, settings, clock)
    return lines


def needs_brain(config: Config) -> bool:
    return any(isinstance(model, EmbeddedModel) for model in config.models.values())


def make_brain(config: Config) -> Brain:
    folders = [model.model_dir for model in config.models.values() if isinstance(model, EmbeddedModel)]
    folder = next((Path(given) for given in folders if given), None)
    return Brain(model_dir=folder, data=Path(config.data_dir))


async def phrases_without_brain(config: Config, book: PhraseBook, texts: Iterable[str]) -> None:
    """A house whose models are all remote still needs its sentences: rendered once, then read from DATA/phrases.

    Without the `local` extra the model says them, and a lost model is met with silence: a warning says so.
    """
    brain, wanted = Brain(data=Path(config.data_dir), workers=1), list(texts)
    try:
        await book.fill(brain, wanted)
    except BrainNotReady:  # one is not on disk yet
        await _render(brain, book, wanted)


async def _render(brain: Brain, book: PhraseBook, texts: list[str]) -> None:
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(brain.run)
            await book.fill(brain, texts)
            nursery.cancel_scope.cancel()
    except* CallactorsError as problems:
        log().warning("phrases.not_cached", why=str(first_of(problems)), remedy="pip install 'callactors[local]'")
