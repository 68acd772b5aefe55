"""An imported scenario as a file for people: above every value, where it is from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kho_sim.base.units import format_exact

if TYPE_CHECKING:
    from kho_sim.logs.importing.imported import ImportedScenario

INDENT = "  "
SIZES = (
    "image",
    "brk",
    "initrd",
    "init_size",
    "page_size",
    "per_cpu_static",
    "per_cpu_reserved",
    "per_cpu_dynamic",
    "node_data",
    "purgatory",
    "size",
    "folio",
    "align",
)
ADDRESSES = (
    "start",
    "end",
    "initrd_end",
    "image_address",
    "image_start",
    "initrd_start",
    "device_tree_start",
)


def scenario_text(imported: ImportedScenario) -> str:
    """Return YAML that ``scenario.loads`` reads."""
    lines = [f"# {note}" for note in imported.notes]
    for section, value in imported.scenario.items():
        if isinstance(value, dict):
            if value:
                lines += [f"{section}:", *_section(imported, section, value)]
        elif value:
            lines += [*_origin(imported, section, ""), *_entry(section, value, "")]
    return "\n".join(lines) + "\n"


def _section(imported: ImportedScenario, path: str, section: dict[str, Any]) -> Iterator[str]:
    depth = INDENT * (path.count(".") + 1)
    for key, value in section.items():
        dotted = f"{path}.{key}"
        yield from _origin(imported, dotted, depth)
        if isinstance(value, dict):
            yield f"{depth}{key}:"
            yield from _section(imported, dotted, value)
        else:
            yield from _entry(key, value, depth)


def _origin(imported: ImportedScenario, dotted: str, depth: str) -> Iterator[str]:
    if dotted in imported.origins:
        yield f"{depth}# {_printable(imported.origins[dotted])}"


def _entry(key: str, value: Any, depth: str) -> Iterator[str]:
    if isinstance(value, (list, tuple)):
        yield f"{depth}{key}:"
        yield from (f"{depth}- {_flow(item)}" for item in value)
    else:
        yield f"{depth}{key}: {_scalar(key, value)}"


def _flow(item: Any) -> str:
    if not isinstance(item, dict):
        return _scalar("", item)
    return "{" + ", ".join(f"{key}: {_scalar(key, value)}" for key, value in item.items()) + "}"


def _scalar(key: str, value: Any) -> str:
    """JSON is YAML: texts are quoted, so a command line can hold anything.

    Except that YAML folds more line ends than JSON knows, as U+2028.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        text = json.dumps(value, ensure_ascii=False)
        return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)
    if key in ADDRESSES:
        return f"{value:#x}"
    return format_exact(value) if key in SIZES else str(value)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
