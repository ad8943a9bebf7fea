"""How the demo looks: one line an event. With colour and a spinner on a terminal, plain lines anywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import trio
from rich.console import Console
from rich.text import Text

_STYLES = {"caller": "bold cyan", "agent": "bold green", "desk": "bold magenta", "tool": "yellow", "call": "dim"}


@attrs.define(eq=False)
class Show:
    """Lines as things happen; times are seconds since the call began."""

    console: Console
    began: float | None = None

    @classmethod
    def make(cls) -> Show:
        """To stdout."""
        return cls(Console(highlight=False, markup=False, soft_wrap=True))

    def begin(self) -> None:
        """The clock of the lines starts now."""
        self.began = trio.current_time()

    def line(self, who: str, what: str, note: str = "") -> None:
        """`who` says or does `what`."""
        clock = "" if self.began is None else f"{trio.current_time() - self.began:6.1f} s"
        text = Text()
        text.append(f"{clock:>8}  ", style="dim")
        text.append(f"{who:<7}", style=_STYLES.get(who, "bold"))
        text.append(f"  {what}", style="")
        if note:
            text.append(f"   {note}", style="dim")
        self.console.print(text)

    def fact(self, name: str, what: object) -> None:
        """A line of the summary."""
        text = Text()
        text.append(f"{name:<15}", style="bold")
        text.append(str(what), style="")
        self.console.print(text)

    def blank(self) -> None:
        self.console.print()

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Say that something takes a while."""
        if self.console.is_terminal:
            with self.console.status(what):
                yield
        else:
            self.console.print(Text(what))
            yield
