"""A nonce proves itself; only one that was used well is remembered (RFC 7616 section 5.4)."""

from __future__ import annotations

from random import Random

from callactors.sip.nonce import Nonces


def test_a_nonce_is_fresh_for_its_lifetime_and_its_audience() -> None:
    nonces = Nonces(b"key", Random(1), lifetime=60.0)
    nonce = nonces.make("carrier", 100.0)
    assert nonces.fresh(nonce, "carrier", 160.0)
    assert not nonces.fresh(nonce, "carrier", 160.1)
    assert not nonces.fresh(nonce, "other", 100.0)


def test_another_processs_nonce_is_not_ours() -> None:
    nonce = Nonces(b"yesterday", Random(1)).make("carrier", 100.0)
    assert not Nonces(b"today", Random(1)).fresh(nonce, "carrier", 100.0)


def test_a_count_must_grow() -> None:
    nonces = Nonces(b"key", Random(1))
    nonce = nonces.make("carrier", 1.0)
    assert [nonces.use(nonce, count, 1.0) for count in (1, 1, 3, 2, 4)] == [True, False, True, False, True]


def test_a_nonce_we_had_to_forget_is_stale_and_so_are_older_ones() -> None:
    nonces = Nonces(b"key", Random(1), size=2)
    made = [nonces.make("carrier", at) for at in (1.0, 2.0, 3.0, 4.0)]
    for nonce in made[1:]:
        assert nonces.use(nonce, 1, 4.0)
    assert [nonces.fresh(nonce, "carrier", 4.0) for nonce in made] == [False, False, True, True]
