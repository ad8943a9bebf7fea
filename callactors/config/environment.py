"""`${NAME}` and `${NAME:-otherwise}` in a value. Messages quote what was written, never what the environment says.

`$${` writes a literal `${`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from callactors.config.problems import Problems, below, quoted
from callactors.config.tree import Broken, Listing, Node, Scalar, Table

_PLACE = re.compile(r"\$\$\{|\$\{([^{}]*)\}?")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


def expand(node: Node, environ: Mapping[str, str], problems: Problems, path: str = "") -> Node:
    """The same tree with every `${NAME}` replaced; a missing name is reported and its value Broken."""
    match node:
        case Scalar() if "${" in node.text:
            return _expand_scalar(node, environ, problems, path)
        case Listing():
            items = enumerate(node.items)
            return attrs.evolve(node, items=tuple(expand(x, environ, problems, f"{path}[{i}]") for i, x in items))
        case Table():
            entries = {k: expand(v, environ, problems, below(path, k)) for k, v in node.entries.items()}
            return attrs.evolve(node, entries=entries)
        case _:
            return node


def _expand_scalar(node: Scalar, environ: Mapping[str, str], problems: Problems, path: str) -> Node:
    wrong: list[tuple[str, str]] = []

    def replace(place: re.Match[str]) -> str:
        return "${" if place[1] is None else _value(place, environ, wrong)

    text = _PLACE.sub(replace, node.text)
    for problem, remedy in wrong:
        problems.add(node.line, path, problem, remedy)
    return Broken(node.line) if wrong else attrs.evolve(node, text=text)


def _value(place: re.Match[str], environ: Mapping[str, str], wrong: list[tuple[str, str]]) -> str:
    name = _NAME.fullmatch(place[1])
    if not name or not place[0].endswith("}"):
        wrong.append((f"{quoted(place[0])} is not a variable", "write ${NAME}"))
        return ""
    value = environ.get(name[1], name[2])
    if value is None:
        wrong.append((f"the environment variable {name[1][:60]} is not set", f"export {name[1][:60]}=..."))
        return ""
    if any(character < " " or character == "\x7f" for character in value):
        wrong.append((f"the environment variable {name[1][:60]} holds control characters", "one line of text is meant"))
        return ""
    return value
