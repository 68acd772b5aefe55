"""Writes the reference pages: of scenarios from the schema, of verbs from the commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click


def write_reference(folder: Path) -> None:
    """Write ``scenario.md`` and ``commands.md`` into a folder, anew at each build."""
    from kho_sim.cli.app import VERBS, kho_sim
    from kho_sim.scenario import json_schema

    folder.mkdir(exist_ok=True)
    (folder / "scenario.md").write_text("\n".join(scenario_page(json_schema())) + "\n")
    (folder / "commands.md").write_text("\n".join(commands_page(kho_sim, list(VERBS))) + "\n")


def scenario_page(schema: dict[str, Any]) -> Iterator[str]:
    """One table per section of a scenario file: key, what it takes, what it means."""
    yield "# Scenario reference"
    yield ""
    yield "Written from the schema (`kho-sim schema`)."
    yield from _section("scenario", schema)
    for name, definition in sorted(schema.get("$defs", {}).items()):
        yield from _section(name, definition)


def commands_page(group: click.Group, verbs: list[str]) -> Iterator[str]:
    """The help text of every verb."""
    yield "# Command line reference"
    yield ""
    yield "Written from the commands' own help."
    context = click.Context(group, info_name="kho-sim")
    for verb in ["", *verbs]:
        command = group.get_command(context, verb) if verb else group
        if command is None:
            continue
        inner = context if not verb else click.Context(command, info_name=verb, parent=context)
        yield ""
        yield f"## {f'kho-sim {verb}'.strip()}"
        yield ""
        yield "```text"
        yield command.get_help(inner)
        yield "```"


def _section(name: str, definition: dict[str, Any]) -> Iterator[str]:
    properties = definition.get("properties")
    if not properties:
        return
    yield ""
    yield f"## {name}"
    yield ""
    yield _one_line(definition.get("description", ""))
    yield ""
    yield "| key | takes | default | is |"
    yield "| --- | --- | --- | --- |"
    for key, value in properties.items():
        default = value.get("default", "")
        meaning = _one_line(value.get("description", ""))
        yield f"| `{key}` | {_takes(value)} | {_cell(default)} | {meaning} |"


def _takes(value: dict[str, Any]) -> str:
    if "enum" in value:
        return ", ".join(_cell(word) for word in value["enum"])
    if "const" in value:
        return _cell(value["const"])
    if "$ref" in value:
        return value["$ref"].rsplit("/", 1)[-1]
    for several in ("anyOf", "oneOf"):
        if several in value:
            words = [_takes(part) for part in value[several] if part.get("type") != "null"]
            return " or ".join(dict.fromkeys(words))
    if value.get("type") == "array":
        return f"list of {_takes(value.get('items', {}))}"
    kind = value.get("type", "")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _cell(value: Any) -> str:
    return "" if value in ("", None, [], {}) else f"`{value}`".replace("|", "\\|")


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
