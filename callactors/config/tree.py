"""YAML text to a tree of text with line numbers. No value has a type here: 9:30 stays "9:30" and NO stays "NO".

- Read from PyYAML's event stream (BaseLoader), never its constructors: nothing is built, depth and size are bounded.
- Anchors, aliases, merge keys, tags, duplicate keys, keys that are not text and second documents are errors:
  what a file says must be there to read, once.
- A part that cannot be read becomes Broken, so that the rest of the file is still looked at.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import yaml

from callactors.config.problems import ConfigErrors, Problems, below, quoted
from callactors.errors import ConfigError

LARGEST = 256 * 1024  # characters
DEEPEST = 24  # levels
MOST_NODES = 20_000


@attrs.frozen
class Scalar:
    """One value as written. `plain` means without quotes; `shown` is what a message may quote of it."""

    text: str
    line: int
    plain: bool
    shown: str


@attrs.frozen
class Listing:
    items: tuple[Node, ...]
    line: int


@attrs.frozen
class Table:
    """A mapping; `lines` has the line of each key."""

    entries: dict[str, Node]
    lines: dict[str, int]
    line: int


@attrs.frozen
class Broken:
    """Already reported; nothing more is to be said about it."""

    line: int


Node = Scalar | Listing | Table | Broken


def read(text: str, problems: Problems) -> Node:
    """The tree of one document. Raises ConfigErrors when the text is no YAML at all, too large or too deep."""
    if len(text) > LARGEST:
        raise _fatal(problems, 1, f"the file is larger than {LARGEST // 1024} KiB", "")
    try:
        return _Reader(text, problems).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _fatal(problems, mark.line + 1 if mark else 1, f"not YAML: {error.problem}", error.note or "") from None
    except yaml.YAMLError as error:
        raise _fatal(problems, 1, f"not YAML: {str(error).splitlines()[0]}", "") from None
    except (ValueError, OverflowError, TypeError, AttributeError, IndexError):
        # PyYAML's scanner lets these out for some escapes and directives: "\UFFFFFFFF", %YAML 9.x
        raise _fatal(problems, 1, "not YAML: an escape or directive that cannot be read", "") from None


def _fatal(problems: Problems, line: int, problem: str, remedy: str) -> ConfigErrors:
    return ConfigErrors([*problems.found, ConfigError(problems.file, line, "", problem, remedy)])


class _Reader:
    """Recursive over events, at most DEEPEST deep."""

    def __init__(self, text: str, problems: Problems) -> None:
        self.problems = problems
        self.nodes = 0
        self.events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.BaseLoader)

    def document(self) -> Node:
        next(self.events)  # StreamStart
        if isinstance(next(self.events), yaml.StreamEndEvent):
            return Table({}, {}, 1)
        root = self.node(next(self.events), "", 0)
        next(self.events)  # DocumentEnd
        after = next(self.events)
        if not isinstance(after, yaml.StreamEndEvent):
            self.problems.add(_line(after), "", "a second document in one file", "one file is one document")
        return root

    def node(self, event: yaml.Event, path: str, depth: int) -> Node:
        self.nodes += 1
        if depth > DEEPEST or self.nodes > MOST_NODES:
            what = f"deeper than {DEEPEST} levels" if depth > DEEPEST else f"more than {MOST_NODES} values"
            raise _fatal(self.problems, _line(event), what, "")
        if isinstance(event, yaml.AliasEvent):
            self.problems.add(_line(event), path, "aliases are not read", "write the value out")
            return Broken(_line(event))
        self.refuse_extras(event, path)
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.listing(event, path, depth)
        return self.table(event, path, depth)

    def refuse_extras(self, event: yaml.Event, path: str) -> None:
        if getattr(event, "anchor", None) is not None:
            self.problems.add(_line(event), path, "anchors are not read", "write the value out where it is needed")
        if getattr(event, "tag", None) is not None:
            self.problems.add(_line(event), path, "tags are not read", "leave the ! word out; the schema knows types")

    def scalar(self, event: yaml.ScalarEvent, path: str) -> Node:
        text = str(event.value)
        if any((character < " " and character not in "\n\t") or character == "\x7f" for character in text):
            self.problems.add(_line(event), path, "control characters in a value", "")
            return Broken(_line(event))
        return Scalar(text, _line(event), event.style is None, text)

    def listing(self, event: yaml.Event, path: str, depth: int) -> Node:
        items: list[Node] = []
        while not isinstance(item := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(item, f"{path}[{len(items)}]", depth + 1))
        return Listing(tuple(items), _line(event))

    def table(self, event: yaml.Event, path: str, depth: int) -> Node:
        entries: dict[str, Node] = {}
        lines: dict[str, int] = {}
        while not isinstance(key := next(self.events), yaml.MappingEndEvent):
            name = self.key(key, path, depth, lines)
            value = self.node(next(self.events), below(path, name or "?"), depth + 1)
            if name is not None:
                entries[name], lines[name] = value, _line(key)
        return Table(entries, lines, _line(event))

    def key(self, event: yaml.Event, path: str, depth: int, seen: dict[str, int]) -> str | None:
        """The name, or None after reporting why it cannot be one."""
        node = self.node(event, path, depth + 1)
        line = _line(event)
        if not isinstance(node, Scalar):
            if not isinstance(node, Broken):
                self.problems.add(line, path, "a key must be a word", "")
            return None
        if node.text == "<<" and node.plain:
            self.problems.add(line, path, "merge keys are not read", "write the values out")
            return None
        if node.text in seen:
            first = seen[node.text]
            self.problems.add(
                line, below(path, node.text), f"{quoted(node.text)} is here twice", f"first in line {first}"
            )
            return None
        return node.text


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return int(mark.line) + 1 if mark else 1
