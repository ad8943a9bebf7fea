"""`bench`: what this machine does with callactors, measured from outside by programs that know nothing of ours."""

from __future__ import annotations

import typer

from callactors.commands.bench.setup import setup

app = typer.Typer(no_args_is_help=True)
app.command()(setup)


@app.callback()
def bench() -> None:
    """Measure what this machine does with callactors.

    Example: python -m callactors bench setup
    """
