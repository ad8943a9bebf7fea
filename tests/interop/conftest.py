"""Programs that several tests share: one exchange a session, with an exact number and a carrier's pool."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.support import Exchange, Program, patient

HOUSE = """\
version: 1
node: house
listen: {rtp: 30000-31999}
trunks:
  carrier: {from: [127.0.0.10/31, 127.0.0.12/31]}
  probe: {from: [127.0.0.1/32]}
numbers:
  - {match: "+13125550100", trunk: carrier, scenario: salon}
directory:
  front_desk: {sip: "sip:desk@127.0.0.1:5070", trunk: carrier}
models:
  offline: {kind: embedded}
answer: {when: at_once}
timers: {first_rtp: 60}
"""

RINGING_HOUSE = """\
version: 1
listen: {{rtp: 32000-32999}}
trunks:
  carrier: {{from: [127.0.0.10/31, 127.0.0.12/31]}}
numbers:
  - {{match: "*", trunk: carrier, scenario: salon}}
directory:
  front_desk: {{sip: "sip:desk@127.0.0.1:5070", trunk: carrier}}
models:
  slow: {{kind: realtime, url: "ws://127.0.0.1:{port}/v1/realtime"}}
answer: {{when: model_ready, within: 20}}
limits: {{calls: 3}}
"""


@pytest.fixture(scope="session")
def phrases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the fixed sentences are kept from one start to the next."""
    folder = tmp_path_factory.mktemp("spoken") / "phrases"
    folder.mkdir()
    return folder


@pytest.fixture
def exchange(tmp_path: Path, phrases: Path) -> Exchange:
    """Starts programs whose files lie in tmp_path."""
    return Exchange(tmp_path, phrases)


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, phrases: Path) -> Iterator[Program]:
    """One exchange for many callers: the number +13125550100, a pool of four addresses, no impatience."""
    folder = tmp_path_factory.mktemp("exchange")
    with Exchange(folder, phrases).run(*patient(folder), config=HOUSE) as program:
        yield program


@pytest.fixture(scope="session")
def ringing_house(tmp_path_factory: pytest.TempPathFactory, phrases: Path) -> Iterator[Program]:
    """A house with room for three that rings and rings: its model takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as model:
        config = RINGING_HOUSE.format(port=model.getsockname()[1])
        with Exchange(tmp_path_factory.mktemp("ringing"), phrases).run(config=config) as program:
            yield program
