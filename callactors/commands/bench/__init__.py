"""`bench`: what this machine does with callactors, from outside: media by programs of our own, set-up by SIPp."""

from __future__ import annotations

import typer

from callactors.commands.bench.command import media
from callactors.commands.bench.hearing import hearing
from callactors.commands.bench.setup import setup
from callactors.commands.bench.soak import soak

app = typer.Typer(invoke_without_command=True)
app.callback()(media)
app.command()(setup)
app.command()(soak)
app.command()(hearing)
