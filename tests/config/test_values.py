"""Single values of a file."""

from __future__ import annotations

from callactors.config import Secret
from callactors.config.schema import RealtimeModel, Stores


def test_a_secret_shows_itself_to_nobody_who_does_not_ask() -> None:
    secret = Secret("hunter2")
    assert f"{secret} {secret!r} {[secret]} %s" % secret == "*** Secret(***) [Secret(***)] ***"
    assert secret.reveal() == "hunter2"


def test_secrets_are_equal_by_what_they_hide() -> None:
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert bool(Secret("a"))


def test_a_url_shows_no_password_and_no_query() -> None:
    assert repr(Stores(url="postgresql://u:hunter2@h/d?password=hunter2")) == "Stores(url='postgresql://h/d')"
    assert "hunter2" not in repr(RealtimeModel(url="wss://h/x?key=hunter2"))
    assert "cannot be read" in repr(Stores(url="http://[hunter2"))
