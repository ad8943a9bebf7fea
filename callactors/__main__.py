"""`python -m callactors`: the verbs of the command line, one file each in commands/."""

# ruff: noqa: E402  (the interrupt and the thread counts must be settled before the imports they are about)
from __future__ import annotations

import os
import signal

_OURS = signal.getsignal(signal.SIGINT) is signal.default_int_handler
if _OURS:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C in the second of imports below: the end, and no traceback

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: its threads cost more than they give here
os.environ.setdefault("OMP_NUM_THREADS", "1")

import typer

from callactors import __version__
from callactors.commands.bench import app as bench
from callactors.commands.call import call
from callactors.commands.calls import app as calls
from callactors.commands.check import check
from callactors.commands.demo import demo
from callactors.commands.doctor import doctor
from callactors.commands.latency import latency
from callactors.commands.realtime import realtime
from callactors.commands.run import run, run_default
from callactors.commands.trunks import app as trunks

if _OURS:
    signal.signal(signal.SIGINT, signal.default_int_handler)

app = typer.Typer(
    name="callactors",
    help="Phone calls answered by AI agents. With no command: run callactors.yaml, or the embedded default.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(run)
app.command()(demo)
app.command()(check)
app.command()(call)
app.command()(latency)
app.add_typer(calls, name="calls")
app.add_typer(trunks, name="trunks")
app.command()(realtime)
app.command()(doctor)
app.add_typer(bench, name="bench")


@app.callback(invoke_without_command=True)
def bare(context: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    """Phone calls answered by AI agents.

    Example: python -m callactors demo
    """
    if version:
        typer.echo(f"callactors {__version__}")
    elif context.invoked_subcommand is None:
        run_default()


def main() -> None:
    app()


if __name__ == "__main__":
    main()
