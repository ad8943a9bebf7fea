"""From the file to the sockets: what is bound, and whose names a TLS connection of ours asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from callactors import config
from callactors.commands.listening import Calling, open_wires
from callactors.config import Config
from callactors.errors import Unusable
from callactors.sip.address import Hop
from callactors.testing.certificate import Authority


def load(folder: Path, listen: str, trunks: str = "") -> Config:
    text = f"version: 1\nlisten: {{sip: [{listen}]}}\ntrunks:\n  plain: {{from: [127.0.0.10/32]}}\n{trunks}"
    numbers = 'numbers:\n  - {match: "+13125550100", trunk: plain, scenario: salon}\n'
    return config.load(text + numbers, str(folder / "callactors.yaml"), {})


async def test_every_listener_of_the_file_is_bound(tmp_path: Path) -> None:
    pem = Authority(tmp_path).issue("127.0.0.1")
    tls = f'{{tls: "127.0.0.1:0", cert: "{pem}", key: "{pem}"}}'
    loaded = load(tmp_path, f'{{udp: "127.0.0.1:0"}}, {{tcp: "127.0.0.1:0"}}, {tls}, {{udp: "[::1]:0"}}')
    wires = open_wires(loaded)
    hops = [Hop("127.0.0.9", 1), Hop("127.0.0.9", 1, "tcp"), Hop("127.0.0.9", 1, "tls"), Hop("::9", 1)]
    told = [wires.local(hop) for hop in hops]
    assert len(set(told)) == 4
    assert told[3].host == "::1"
    wires.close()


async def test_a_port_that_is_taken_says_so(tmp_path: Path) -> None:
    first = open_wires(load(tmp_path, '{tcp: "127.0.0.1:0"}'))
    with pytest.raises(Unusable, match="SIP cannot listen on"):
        open_wires(load(tmp_path, f'{{tcp: "{first.address}"}}'))
    first.close()


async def test_a_certificate_that_is_none_says_so(tmp_path: Path) -> None:
    (tmp_path / "rubbish.pem").write_text("nothing")
    listen = f'{{tls: "127.0.0.1:0", cert: "{tmp_path}/rubbish.pem", key: "{tmp_path}/rubbish.pem"}}'
    with pytest.raises(Unusable, match=r"rubbish\.pem"):
        open_wires(load(tmp_path, listen))


def test_a_trunks_server_must_bear_its_identity_or_the_name_we_looked_up_or_a_name_of_its_to(tmp_path: Path) -> None:
    ca = Authority(tmp_path).ca
    trunks = (
        f'  sbc: {{from: [127.0.0.20/32], to: "sips:a.example", tls: {{ca: "{ca}", identity: [b.example]}}}}\n'
        f'  edge: {{from: [127.0.0.30/32], to: "sip:c.example;transport=tls", tls: {{ca: "{ca}"}}}}\n'
    )
    calling = Calling(load(tmp_path, '{udp: "127.0.0.1:0"}', trunks))
    wanted = {
        Hop("127.0.0.20", 5061, "tls", server="a.example"): ("b.example",),
        Hop("127.0.0.20", 5061, "tls"): ("b.example",),
        Hop("127.0.0.99", 5061, "tls", server="c.example"): ("c.example",),
        Hop("127.0.0.30", 5061, "tls"): ("127.0.0.30", "c.example"),
        Hop("127.0.0.99", 5061, "tls"): ("127.0.0.99",),
    }
    assert {hop: calling.secure(hop).wanted for hop in wanted} == wanted
    contexts = [calling.secure(Hop(host, 5061, "tls")).context for host in ("127.0.0.20", "127.0.0.30", "127.0.0.99")]
    assert len({id(context) for context in contexts}) == 3
