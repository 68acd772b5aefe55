"""YAML text <-> plain values, with the place of every key and value; the only user of PyYAML.

Read from the parser's events, so nothing of YAML's own typing or object building takes place: words
are text unless they are true, false, a decimal or 0x number; quoted words are always text. Anchors,
aliases, tags, nulls, duplicate keys and further documents are refused, each where it stands, and
reading goes on after it. Input is bounded in bytes, depth and number of values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from kho_sim.base.errors import Problem

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_VALUES = 20_000

Path = tuple[str | int, ...]
"""Keys and list positions from the root: ('workload', 0, 'size')."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FORBIDDEN = re.compile(
    r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,19})|0x[0-9a-fA-F]{1,16}")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,19})\.[0-9]{1,20}")
_NULLS = ("", "~", "null", "Null", "NULL")
_HINTS = {
    "cannot start any token": "a text that starts so needs quotes, and a tab is no indent",
    "alphabetic or numeric": "a text that starts with * or & needs quotes",
    "mapping values": "a text with a colon and a space in it needs quotes",
    "unknown escape": "in single quotes a backslash is a backslash",
    "end of stream": "a quote is not closed",
    "<document start>": "it does not go on with what stands above",
    "expected key": "its indent is not that of the keys above",
}
"""Words of the parser -> advice on them."""
NO_VALUE = "there is no value; leave the {}"


@dataclass(frozen=True, slots=True)
class Place:
    """The places of a key and its value; lines and columns count from 1. A list item has no key."""

    file: str
    key_line: int
    key_column: int
    line: int
    column: int


@dataclass
class Document:
    """The result of reading: the values, their places, and the problems.

    A value that was refused is None in ``value``; its path is in ``refused``.
    """

    file: str
    value: Any = None
    places: dict[Path, Place] = field(default_factory=dict)
    refused: set[Path] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


def plain_value(word: str) -> Any:
    """Return what an unquoted word is: true, false, an int, a float, or text; None for null."""
    if word in _NULLS:
        return None
    if word in ("true", "false"):
        return word == "true"
    if _WHOLE.fullmatch(word):
        return int(word, 16 if word.startswith("0x") else 10)
    return float(word) if _DECIMAL.fullmatch(word) else word


def path_text(path: Path) -> str:
    """Return a path as people write it: workload[0].size."""
    parts = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(parts).removeprefix(".")


def write_yaml(value: Any) -> str:
    """Return YAML text for plain values; ``read_yaml`` reads it back."""
    return yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=96,
        default_flow_style=False,
    )


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def text(self, data: str) -> Any:
        # Only double quotes have escapes: other styles would read such characters back as spaces.
        style = None if data.isprintable() else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.text)


def read_yaml(text: str, file: str) -> Document:
    """Return what a text holds. Never raises; look at ``problems``."""
    document = Document(file)
    reader = _Reader(document)
    refusal = _unreadable(text)
    if refusal is not None:
        line, column, message = refusal
        document.problems.append(Problem(file, line, column, "", message))
        return document
    try:
        reader.read(text.removeprefix("\ufeff"))
    except _StopReading:
        pass
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        why = getattr(error, "problem", None) or getattr(error, "context", None) or "unreadable"
        hint = next((f"; {hint}" for words, hint in _HINTS.items() if words in why), "")
        reader.stop_at(line, column, (), f"this is not YAML: {why}{hint}")
    return document


def _unreadable(text: str) -> tuple[int, int, str] | None:
    """Return the place of a character that no YAML text may hold, and a sentence."""
    match = _FORBIDDEN.search(text.removeprefix("\ufeff"))
    if match is not None:
        before = text.removeprefix("\ufeff")[: match.start()]
        line = before.count("\n") + 1
        column = len(before) - before.rfind("\n")
        return line, column, f"the character U+{ord(match[0]):04X} cannot be in a scenario"
    if len(text.encode()) > MAX_BYTES:
        return 0, 0, f"the text has more than the {MAX_BYTES} bytes that a scenario may have"
    return None


def missing_space(key: str) -> str:
    """Return a sentence if a key is rather a key, a colon, and its value; else ''."""
    match = re.fullmatch(r"([a-z_]+):(\S+)", key)
    return f"a space is missing after the colon, as in {match[1]}: {match[2]}" if match else ""


def _is_empty(value: Any) -> bool:
    return isinstance(value, yaml.ScalarEvent) and not (value.value or value.style)


class _StopReading(Exception):  # noqa: N818
    """Reading ends here; the problem is noted."""


class _Reader:
    """Builds the document event by event."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.text = ""
        self.values = 0
        self.events: Iterator[Any] = iter(())

    def read(self, text: str) -> None:
        self.text = text
        self.events = yaml.parse(text, Loader=_LOADER)
        documents = 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.stop(
                        event, (), "a second document begins here; a scenario is one document"
                    )
                self.document.value = self.value(next(self.events), (), None)

    def value(self, event: Any, path: Path, key: Any) -> Any:
        """Return the value that begins with ``event``; ``key`` is the event of its key, if any."""
        self.values += 1
        if self.values > MAX_VALUES:
            self.stop(event, path, f"there are more than {MAX_VALUES} values")
        if len(path) > MAX_DEPTH:
            self.stop(event, path, f"this is nested more than {MAX_DEPTH} levels deep")
        self.note_place(event, path, key)
        if isinstance(event, yaml.AliasEvent):
            return self.refuse(
                event, path, f"aliases (*{event.anchor}) are not accepted; write it out"
            )
        if event.anchor is not None:
            self.refuse(event, path, f"anchors (&{event.anchor}) are not accepted")
        if event.tag is not None:
            self.refuse(event, path, f"tags ({event.tag}) are not accepted")
        if isinstance(event, yaml.MappingStartEvent):
            value: Any = self.mapping(path, bool(event.flow_style))
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self.sequence(path)
        else:
            value = self.scalar(event, path)
        return None if path in self.document.refused else value

    def scalar(self, event: Any, path: Path) -> Any:
        if event.style:
            return event.value
        value = plain_value(event.value)
        if value is None and path not in self.document.refused and path:
            out = "entry out" if isinstance(path[-1], int) else "key out for its default"
            return self.refuse(event, path, NO_VALUE.format(out))
        return value

    def sequence(self, path: Path) -> list[Any]:
        items: list[Any] = []
        for event in self.events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self.value(event, (*path, len(items)), None))
        return items

    def mapping(self, path: Path, in_braces: bool) -> dict[str, Any]:
        items: dict[str, Any] = {}
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            if not isinstance(event, yaml.ScalarEvent):
                self.stop(event, path, "a key has to be one word")
            name, at = event.value, (*path, event.value)
            if event.anchor is not None or event.tag is not None:
                self.refuse(event, at, "anchors and tags are not accepted")
            value = next(self.events)
            if in_braces and _is_empty(value):
                self.note_place(value, at, event)
                self.refuse(event, at, self.why_empty(event, value))
                items[name] = None
                continue
            if name in items:
                first = self.document.places[at]
                text = f"this key is given twice; it is also in line {first.key_line}"
                self.problem(event, at, text)
                # Its value is read and forgotten; the path is one that no key can have.
                self.value(value, (*path, f"{name} (again)"), event)
                continue
            items[name] = self.value(value, at, event)
        return items

    def why_empty(self, key: Any, value: Any) -> str:
        """Say why a key in braces has no value: only some of them were meant as keys."""
        if ":" in self.text[key.end_mark.index : value.start_mark.index]:
            return NO_VALUE.format("key out for its default")
        if missing := missing_space(key.value):
            return missing
        return "there is no value; text with commas needs quotes in {...}"

    def note_place(self, event: Any, path: Path, key: Any) -> None:
        mark, key_mark = event.start_mark, (key or event).start_mark
        self.document.places[path] = Place(
            self.document.file,
            key_mark.line + 1,
            key_mark.column + 1,
            mark.line + 1,
            mark.column + 1,
        )

    def refuse(self, event: Any, path: Path, message: str) -> None:
        self.document.refused.add(path)
        self.problem(event, path, message)

    def problem(self, event: Any, path: Path, message: str) -> None:
        mark = event.start_mark
        self.document.problems.append(
            Problem(self.document.file, mark.line + 1, mark.column + 1, path_text(path), message)
        )

    def stop(self, event: Any, path: Path, message: str) -> None:
        mark = event.start_mark
        self.stop_at(mark.line + 1, mark.column + 1, path, message)
        raise _StopReading

    def stop_at(self, line: int, column: int, path: Path, message: str) -> None:
        """Note a problem after which nothing of the text can be trusted."""
        self.document.problems.append(
            Problem(self.document.file, line, column, path_text(path), message)
        )
