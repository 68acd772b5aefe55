"""Writes the glossary and the reference pages: terms from the reports' own, scenarios from the
schema, verbs from the commands, rates from the cost model, tables from the classes of records,
releases and builds from their data files, Python names from their docstrings."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from releases_page import RELEASES, releases_page, write_lines

from kho_sim.base.data_file import value_text
from kho_sim.layout import markdown
from kho_sim.scenario.shipped import SCHEMA_FILE

LONGEST_SIGNATURE = 100
GLOSSARY = Path(__file__).with_name("glossary.md")
"""Committed, as RELEASES is and the other pages are not, so that it can be read without a build."""
SCHEMA = Path(__file__).parents[1] / "scenarios" / SCHEMA_FILE
"""Committed, so that editors find it beside the scenarios."""
SUBJECTS = {
    "kho": "Kexec HandOver",
    "memblock": "memblock and early boot",
    "pages": "Pages and their allocator",
    "tool": "kho_sim",
}


def write_reference(folder: Path) -> None:
    """Write the reference pages into a folder, anew at each build."""
    from kho_sim.cli.app import VERBS, kho_sim
    from kho_sim.scenario import json_schema

    pages = {
        "scenario": scenario_page(json_schema()),
        "commands": commands_page(kho_sim, list(VERBS)),
        "rates": rates_page(),
        "tables": tables_page(),
        "kernels": kernels_page(),
        "python": python_page(),
    }
    folder.mkdir(exist_ok=True)
    for name, lines in pages.items():
        write_lines(folder / f"{name}.md", lines)
    write_lines(SCHEMA, [json.dumps(json_schema(), indent=2)])
    write_lines(RELEASES, releases_page())
    write_lines(GLOSSARY, glossary_page())


def glossary_page() -> Iterator[str]:
    """Every term that a report uses, by subject."""
    from kho_sim.report.glossary import glossary

    yield "# Glossary"
    yield ""
    yield "Written from `kho_sim/report/glossary.toml`; HTML reports show a line where a table head"
    yield "has its term. For an introduction read [Concepts](concepts.md)."
    for subject, terms in glossary().items():
        yield ""
        yield f"## {SUBJECTS[subject]}"
        yield ""
        ordered = sorted(terms.items(), key=lambda item: item[0].casefold())
        yield markdown(("term", "is"), [(term, _one_line(line)) for term, line in ordered])


def scenario_page(schema: dict[str, Any]) -> Iterator[str]:
    """One table per section of a scenario file: key, what it takes, what it means."""
    yield "# Scenario reference"
    yield ""
    yield "Written from the schema (`kho-sim schema`)."
    sections = schema.get("$defs", {})
    yield from _section("scenario", schema, sections)
    for name, definition in sorted(sections.items()):
        yield from _section(name, definition, sections)


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


def rates_page() -> Iterator[str]:
    """Every rate of every set of hardware, with its source."""
    from kho_sim.rates import HARDWARE, INSTRUCTIONS, load_hardware

    yield "# Rates"
    yield ""
    yield "Written from `kho_sim/rates/hardware`. A step counts its work; count times rate is time"
    yield "({doc}`../time`). A set has the rates of the one that it inherits from but for its own."
    usual: Mapping[str, object] = {}
    for name in sorted(HARDWARE, key=lambda one: (one != "generic", one)):
        hardware = load_hardware(name)
        yield ""
        yield f"## {name}"
        yield ""
        yield f"{hardware.description[0].upper()}{hardware.description[1:]}."
        yield ""
        heads = ("one of", "low (ns)", "central (ns)", "high (ns)", "standing", "source")
        rows = [
            (
                f"`{rate_name}`",
                *(f"{level:,.10g}" for level in rate[:3]),
                rate.standing,
                _one_line(rate.source),
            )
            for rate_name, rate in hardware.rates.items()
            if usual.get(rate_name) != rate
        ]
        yield markdown(heads, rows, right_from=1, right_to=4)
        usual = usual or hardware.rates
    yield ""
    yield "## Instructions"
    yield ""
    yield "Written from `kho_sim/rates/instructions.py`: one set, fitted to what a laboratory"
    yield "kernel counted ({doc}`../retrieval`). They are no time."
    yield ""
    counts = [(f"`{name}`", f"{count:,.1f}") for name, count in INSTRUCTIONS.items()]
    yield markdown(("what", "instructions each"), counts, right_from=1)


def tables_page() -> Iterator[str]:
    """Every table of a trace: what a row is, and its columns with dtype, unit and meaning."""
    from kho_sim.tables import TABLES
    from kho_sim.trace.schema import caption_of, columns_of

    yield "# Tables"
    yield ""
    yield "Written from `kho_sim/trace/records.py`. `trace.table(NAME)` is a DataFrame with these"
    yield "columns, made when it is asked for; a stored run has `NAME.parquet`."
    for name, kind in TABLES.items():
        yield ""
        yield f"## {name}"
        yield ""
        yield caption_of(kind)
        yield ""
        rows = [
            (f"`{column.name}`", column.dtype, column.unit, _one_line(column.meaning))
            for column in columns_of(kind)
        ]
        yield markdown(("column", "dtype", "unit", "is"), rows)


def kernels_page() -> Iterator[str]:
    """Every value of the releases and builds, with its source."""
    from kho_sim.builds import BUILDS, load_build
    from kho_sim.releases import RELEASES, load_release

    yield "# Releases and builds"
    yield ""
    yield "Written from `kho_sim/releases/*.toml` and `kho_sim/builds/*.toml`. A scenario names a"
    yield "release with `kernel.release` and a build with `kernel.build`. [I] is an inference."
    for title, files in (
        ("Release", [load_release(name) for name in RELEASES]),
        ("Build", [load_build(name) for name in BUILDS]),
    ):
        for file in files:
            yield ""
            yield f"## {title} {file.name}"
            yield ""
            yield file.description
            yield ""
            rows = [
                (f"`{dotted}`", value_text(dotted, value), _one_line(source))
                for dotted, value, source in file.values()
            ]
            yield markdown(("value", "is", "source"), rows, right_from=1, right_to=2)


def python_page() -> Iterator[str]:
    """Names that scripts and checks rely on, with signature and docstring."""
    import kho_sim as ks
    from kho_sim import plots
    from kho_sim.kho import radix
    from kho_sim.memory.memblock import Memblock

    figures = {**plots.TRACE_FIGURES, **plots.SWEEP_FIGURES, **plots.VERIFY_FIGURES}
    groups = {
        "kho_sim": {f"ks.{n}": getattr(ks, n) for n in ks.__all__ if callable(getattr(ks, n))},
        "Figures": {f"ks.plots.{name}": draw for name, draw in figures.items()}
        | {"ks.plots.save": plots.save},
        "Models that stand alone": _members("Memblock", Memblock)
        | _members("RadixTree", radix.RadixTree)
        | {name: getattr(radix, name) for name in ("encode_key", "decode_key")},
    }
    yield "# Python reference"
    yield ""
    yield "Written from the docstrings, after `import kho_sim as ks`. [Tables](tables.md) such as"
    yield "`trace.boots` have a page of their own. `Memblock` is in `kho_sim.memory.memblock`,"
    yield "`RadixTree` in `kho_sim.kho.radix`."
    for title, names in groups.items():
        yield ""
        yield f"## {title}"
        for name, value in names.items():
            yield ""
            yield f"### {name}"
            yield ""
            yield "```text"
            yield f"{name}{_signature(value)}"
            yield ""
            yield inspect.getdoc(value) or ""
            yield "```"


def _members(name: str, kind: type) -> dict[str, Any]:
    """The class itself and what is documented of it."""
    public = {key: value for key, value in vars(kind).items() if not key.startswith("_")}
    documented = {key: value for key, value in public.items() if inspect.getdoc(value)}
    return {name: kind} | {f"{name}.{key}": value for key, value in documented.items()}


def _signature(value: Any) -> str:
    if not callable(value) or (inspect.isclass(value) and issubclass(value, Exception)):
        return ""
    parts = inspect.signature(value).parameters.values()
    words = [
        str(part.replace(annotation=inspect.Parameter.empty))
        for part in parts
        if part.name != "self"
    ]
    text = ", ".join(words)
    return f"({text})" if len(text) <= LONGEST_SIGNATURE else "(...)"


def _section(name: str, definition: dict[str, Any], sections: dict[str, Any]) -> Iterator[str]:
    properties = definition.get("properties")
    if not properties:
        return
    yield ""
    yield f"## {name}"
    yield ""
    yield _one_line(definition.get("description", ""))
    yield ""
    rows = []
    for key, value in properties.items():
        default = value.get("default", "")
        other = sections.get(value.get("$ref", "").rsplit("/", 1)[-1], {})
        meaning = _one_line(value.get("description") or other.get("description", ""))
        shown = "" if isinstance(default, dict) else _cell(default)
        rows.append((f"`{key}`", _takes(value), shown, meaning))
    yield markdown(("key", "takes", "default", "is"), rows)


def _takes(value: dict[str, Any]) -> str:
    if "enum" in value:
        return ", ".join(_cell(word) for word in value["enum"])
    if "const" in value:
        return _cell(value["const"])
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf"):
        if several in value:
            words = [_takes(part) for part in value[several] if part.get("type") != "null"]
            return " or ".join(dict.fromkeys(words))
    if value.get("type") == "array":
        return f"list of {_takes(value.get('items', {}))}"
    kind = value.get("type", "")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _cell(value: Any) -> str:
    return "" if value in ("", None, [], {}) else f"`{value}`"


def _one_line(text: str) -> str:
    return " ".join(text.split())
