"""``kho-sim advise``: the smallest scratch and the best block shift that survive, and why."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kho_sim.cli.options import FiniteRange, pairs

if TYPE_CHECKING:
    from kho_sim.scenario import Scenario
    from kho_sim.sweeps.advise import Advice, Areas
    from kho_sim.sweeps.advise.advice import Neighbour, Smallest
    from kho_sim.sweeps.advise.evidence import Chain

NOTHING_FOUND = 1
SIGNAL_EXIT_BASE = 128


def _tries(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> list[Areas]:
    from kho_sim.sweeps.advise import parse_areas

    try:
        return [parse_areas(text) for text in texts]
    except ValueError as error:
        raise click.BadParameter(str(error))


def _shifts(_: click.Context, __: click.Parameter, text: str) -> list[int]:
    from kho_sim.scenario import parse_values

    try:
        shifts = parse_values(text)
    except ValueError as error:
        raise click.BadParameter(str(error))
    if not all(isinstance(shift, int) and 12 <= shift <= 40 for shift in shifts):
        raise click.BadParameter("block shifts are from 12 to 40.")
    return sorted(set(shifts))


@click.command("advise", short_help="Find the smallest scratch and the best block shift.")
@click.argument("scenario")
@click.option(
    "-s",
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    callback=pairs,
    help="Another value in the scenario; may be repeated.",
)
@click.option(
    "--try",
    "tries",
    metavar="SIZES",
    multiple=True,
    callback=_tries,
    help="Also judge these areas, as in 8M,16M,16M; may be repeated.",
)
@click.option(
    "--shifts",
    default="21..36",
    show_default=True,
    callback=_shifts,
    metavar="VALUES",
    help="Block shifts to choose from.",
)
@click.option(
    "--margin",
    type=FiniteRange(min=0, max=10),
    default=0.25,
    show_default=True,
    help="What to add to each area, as a part of it.",
)
@click.option(
    "--replicates",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Seeds with which the advised areas have to survive.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Where the runs behind the advice are stored, as a sweep; by default in runs/.",
)
@click.option("--workers", type=click.IntRange(min=0), metavar="N", help="Processes.")
@click.option("--scheduler", metavar="ADDRESS|FILE", help="A Dask scheduler instead of processes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def verb(
    scenario: str, settings: dict[str, str], out: str | None, as_json: bool, **options: Any
) -> int:
    """Search the smallest kho_scratch= with which the chain of SCENARIO survives, with and without
    the extension, and the block shift to choose.

    The same command goes on where it was stopped. Exits with 1 if no scratch is large enough for
    the scenario with the extension.
    """
    from kho_sim.scenario import load, with_values
    from kho_sim.sweeps.advise import advise
    from kho_sim.sweeps.stop import SweepInterrupted

    base = load(scenario)
    base = with_values(base, settings, "-s") if settings else base
    directory = Path(out) if out else _default_directory(scenario, base)
    try:
        advice = advise(base, directory, progress=_Counter(), **options)
    except SweepInterrupted as stop:
        click.echo(f"stopped; the same command goes on from {directory}", err=True)
        return SIGNAL_EXIT_BASE + stop.signal_number
    if as_json:
        click.echo(json.dumps(_document(advice), indent=2))
    else:
        click.echo("\n".join(_lines(advice)))
    return 0 if advice.smallest[0].areas else NOTHING_FOUND


def _default_directory(path: str, base: Scenario) -> Path:
    digest = hashlib.sha256(base.digest_key().encode()).hexdigest()[:8]
    return Path("runs") / f"advise-{Path(path).stem}-{digest}"


class _Counter:
    """Says now and then how many chains were simulated: how many it takes is not known before."""

    EVERY = 50

    def __init__(self) -> None:
        self._told = 0

    def __call__(self, status: Any) -> None:
        if status.ok >= self._told + self.EVERY:
            self._told = status.ok
            click.echo(f"{status.ok} chains simulated", err=True)


def _document(advice: Advice) -> dict[str, Any]:
    document = {
        "schema": "kho-sim/advice",
        "schema_version": 1,
        "default": {strategy: asdict(chain) for strategy, chain in advice.default.items()},
        "smallest": [
            {
                "strategy": one.strategy,
                "grade": one.grade,
                "kho_scratch": str(one.areas) if one.areas else None,
                "total_bytes": one.total_bytes,
                "with_margin": str(one.padded) if one.padded else None,
                "with_margin_bytes": one.padded_bytes,
                "smaller": [_tried(neighbour) for neighbour in one.smaller],
            }
            for one in advice.smallest
        ],
        "shift": advice.shift,
        "shifts": [{"shift": row.shift, **asdict(row.chain)} for row in advice.shifts],
        "tried": [{"strategy": strategy, **_tried(one)} for strategy, one in advice.tried],
    }
    counts = {"margin": advice.margin, "replicates": advice.replicates, "runs": advice.runs}
    return {**document, **counts, "directory": str(advice.directory)}


def _tried(one: Neighbour) -> dict[str, Any]:
    return {"kho_scratch": str(one.areas), **asdict(one.chain)}


def _lines(advice: Advice) -> Iterator[str]:
    from kho_sim.base.units import format_size

    with_extension, without = advice.default.items()
    size = format_size(with_extension[1].scratch_bytes)
    yield f"The kernel's own choice of scratch takes {size}:"
    for (_, chain), title in ((with_extension, "with"), (without, "without")):
        yield f"  {title} the extension, the chain {_ended(chain)}"
    yield ""
    yield f"{'smallest kho_scratch=':40} {'takes':>10}   with {advice.margin:.0%} margin"
    for one in advice.smallest:
        yield from _smallest_lines(one)
    if advice.tried:
        yield ""
    for strategy, tried in advice.tried:
        yield f"{_way(strategy)}, {tried.areas} {_ended(tried.chain)}"
    if advice.shifts:
        yield ""
        yield from _shift_lines(advice)
    yield ""
    yield (
        f"{advice.runs} chains behind this, {advice.replicates} seeds for what is advised: "
        f"{advice.directory}"
    )


def _smallest_lines(one: Smallest) -> Iterator[str]:
    from kho_sim.base.units import format_size

    title = f"{_way(one.strategy)}, {GRADE_WORDS[one.grade]}"
    if one.areas is None:
        yield f"  {title}: no scratch is enough"
        return
    yield f"  {title}"
    padded = f"{one.padded}  {format_size(one.padded_bytes)}" if one.padded else "none"
    yield f"    {one.areas!s:36} {format_size(one.total_bytes):>10}   {padded}"
    for neighbour in one.smaller:
        yield f"    not {neighbour.areas}: {_ended(neighbour.chain)}"


def _shift_lines(advice: Advice) -> Iterator[str]:
    from kho_sim.base.units import format_ns, format_size

    yield "block shift, with the scratch advised first:"
    yield f"  {'shift':>5} {'recovers':>12} {'takes':>10} {'tree pages':>10} {'regions':>8} refused"
    for row in advice.shifts:
        chain = row.chain
        mark = "  <- choose" if row.shift == advice.shift else ""
        yield (
            f"  {row.shift:>5} {format_size(chain.extended_bytes):>12} "
            f"{format_ns(chain.extend_ns):>10} {chain.digest_pages:>10} "
            f"{chain.memory_regions:>8} {chain.refused:>7}{mark}"
        )


GRADE_WORDS = {
    "survives": "to survive",
    "clean": "and no early allocation refused",
}


def _way(strategy: str) -> str:
    return "without the extension" if strategy == "none" else f"with the extension ({strategy})"


def _ended(chain: Chain) -> str:
    """Say in words how a chain ended."""
    if chain.outcome != "completed":
        return f"dies: {chain.outcome} in boot {chain.boot}: {chain.message}"
    lacks = []
    if chain.gigantic_missing:
        lacks.append(f"{chain.gigantic_missing} gigantic pages missing")
    if chain.refused:
        lacks.append(f"{chain.refused} early allocations refused")
    return "completes" + "".join(f", {lack}" for lack in lacks)
