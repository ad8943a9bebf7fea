"""From a tree of text to the frozen structs of a schema, guided by the structs' own annotations.

- Every problem is found in one walk; a part with a problem becomes WRONG and its neighbours are still read.
- Single values go through values.READERS, then through msgspec for literals and bounds (`Annotated[int, Meta(ge=1)]`).
- In an optional value other than text, `off`, `null` and nothing at all mean None.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

import msgspec

from callactors.config.problems import MOST, Problems, below, did_you_mean, quoted
from callactors.config.tree import Broken, Listing, Node, Scalar, Table
from callactors.config.values import READERS, Name, Unreadable, Uri

S = TypeVar("S", bound=msgspec.Struct)

WRONG = object()
_NOTHING = ("", "~", "null")


class Builder:
    """One walk over one file. `lines` fills with the line of every path that was written."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.lines: dict[str, int] = {}

    def struct(self, node: Node, kind: type[S]) -> S | None:
        """The whole file as `kind`, or None after reporting why not."""
        value = self.build(node, kind, "")
        return value if isinstance(value, kind) else None

    def build(self, node: Node, kind: Any, path: str) -> object:  # Any: annotations have no common type
        self.lines[path] = node.line
        if isinstance(node, Broken) or self.problems.full:
            return WRONG
        if kind is Any:
            return plain(node)
        origin = typing.get_origin(kind)
        if kind in READERS or origin in (Literal, typing.Annotated) or kind is str or hasattr(kind, "__supertype__"):
            return self.value(node, kind, path)
        if origin in (typing.Union, types.UnionType):
            return self.union(node, typing.get_args(kind), path)
        if origin is tuple:
            return self.items(node, typing.get_args(kind)[0], path)
        if origin is dict:
            return self.named(node, typing.get_args(kind)[1], path)
        return self.fields(node, kind, path)

    # -- single values -------------------------------------------------------------------------------------------

    def value(self, node: Node, kind: Any, path: str) -> object:  # Any: as in build
        if not isinstance(node, Scalar):
            return self.wrong(node, path, f"one value is meant, not a {_shape(node)}")
        try:
            return _read(node.text, kind)
        except Unreadable as error:
            return self.wrong(node, path, f"{quoted(node.shown)} {error.problem}", error.remedy)
        except msgspec.ValidationError as error:
            return self.wrong(node, path, f"{quoted(node.shown)} is out of range", str(error).replace("`", ""))

    def union(self, node: Node, kinds: Sequence[Any], path: str) -> object:
        rest = [kind for kind in kinds if kind is not type(None)]
        if len(rest) < len(kinds) and isinstance(node, Scalar) and node.plain and _is_nothing(node.text, rest):
            return None
        if len(rest) == 1:
            return self.build(node, rest[0], path)
        if getattr(rest[0], "__struct_config__", None) is not None:
            return self.tagged(node, rest, path)
        return self.value(node, typing.Union[tuple(rest)], path)  # noqa: UP007  built at run time from a list

    # -- collections ---------------------------------------------------------------------------------------------

    def items(self, node: Node, kind: Any, path: str) -> object:  # Any: as in build
        if isinstance(node, Scalar) and kind is Uri:
            node = Listing((node,), node.line)
        if not isinstance(node, Listing):
            shown = f": [{node.shown}]" if isinstance(node, Scalar) and len(node.shown) < 40 else ""
            return self.wrong(node, path, f"a list is meant, not a {_shape(node)}", f"write a list{shown}")
        built = [self.build(item, kind, f"{path}[{index}]") for index, item in enumerate(node.items)]
        return WRONG if any(item is WRONG for item in built) else tuple(built)

    def named(self, node: Node, kind: Any, path: str) -> object:  # Any: as in build
        if not isinstance(node, Table):
            return self.wrong(node, path, f"names with values are meant, not a {_shape(node)}")
        built: dict[str, object] = {}
        for word, item in node.entries.items():
            place = below(path, word)
            named = self.value(Scalar(word, node.lines[word], True, word), Name, place)
            built[word] = self.build(item, kind, place) if named is not WRONG else WRONG
            self.lines[place] = node.lines[word]
        return WRONG if any(item is WRONG for item in built.values()) else built

    def fields(self, node: Node, kind: type[msgspec.Struct], path: str) -> object:
        if not isinstance(node, Table):
            return self.wrong(node, path, f"keys with values are meant, not a {_shape(node)}")
        known = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        built: dict[str, object] = {}
        whole = self.keys_known(node, [*known, *_tag_field(kind)], path)
        for word, field in known.items():
            if word in node.entries:
                built[field.name] = self.build(node.entries[word], field.type, below(path, word))
                self.lines[below(path, word)] = node.lines[word]
            elif field.required:
                built[field.name] = self.wrong(node, below(path, word), "is missing")
        if not whole or any(value is WRONG for value in built.values()):
            return WRONG
        return kind(**built)

    def keys_known(self, node: Table, known: Sequence[str], path: str) -> bool:
        strangers = [word for word in node.entries if word not in known]
        for word in strangers[:MOST]:
            remedy = did_you_mean(word, known)
            self.problems.add(node.lines[word], below(path, word), "there is no such key", remedy)
        return not strangers

    def tagged(self, node: Node, kinds: Sequence[type[msgspec.Struct]], path: str) -> object:
        """One of several structs, told apart by their tag (`kind: realtime`)."""
        by_tag = {str(kind.__struct_config__.tag): kind for kind in kinds}
        (field,) = _tag_field(kinds[0])
        if not isinstance(node, Table):
            return self.wrong(node, path, f"keys with values are meant, not a {_shape(node)}")
        tag = node.entries.get(field)
        if not isinstance(tag, Scalar):
            return self.wrong(node, below(path, field), "is missing", f"one of {', '.join(by_tag)}")
        if tag.text not in by_tag:
            remedy = did_you_mean(tag.text, by_tag)
            return self.wrong(tag, below(path, field), f"{quoted(tag.shown)} is not known", remedy)
        return self.fields(node, by_tag[tag.text], path)

    def wrong(self, node: Node, path: str, problem: str, remedy: str = "") -> object:
        self.problems.add(node.line, path, problem, remedy)
        return WRONG


def plain(node: Node) -> object:
    """A part of the tree whose shape is somebody else's business: text, lists and dicts."""
    match node:
        case Scalar():
            return node.text
        case Listing():
            return [plain(item) for item in node.items]
        case Table():
            return {word: plain(item) for word, item in node.entries.items()}
        case Broken():
            return ""


def _read(text: str, kind: Any) -> object:  # Any: as in build
    inner = typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind
    if typing.get_origin(inner) is Literal:
        choices = [str(choice) for choice in typing.get_args(inner)]
        if text not in choices:
            raise Unreadable(f"is not one of {', '.join(choices)}", _nearest(text, choices))
        return text
    value = READERS[inner](text) if inner in READERS else text
    return value if inner is kind else msgspec.convert(value, kind)


def _nearest(text: str, choices: Sequence[str]) -> str:
    remedy = did_you_mean(text, choices)
    return remedy if remedy.startswith("did you mean") else ""


def _is_nothing(text: str, kinds: Sequence[Any]) -> bool:
    """Whether it stands for no value: also `off`, except where that is one of the values."""
    if text == "off":
        return str not in kinds and not any("off" in typing.get_args(kind) for kind in kinds)
    return text.lower() in _NOTHING


def _tag_field(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    field = kind.__struct_config__.tag_field
    return (field,) if field else ()


def _shape(node: Node) -> str:
    return {Scalar: "single value", Listing: "list", Table: "mapping"}.get(type(node), "value")
