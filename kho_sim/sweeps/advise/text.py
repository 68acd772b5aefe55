"""Advice in words and as a JSON document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kho_sim.base.units import format_ns, format_size

if TYPE_CHECKING:
    from kho_sim.sweeps.advise.advice import Advice, Neighbour, Smallest
    from kho_sim.sweeps.advise.evidence import Chain

GRADE_WORDS = {
    "survives": "to survive",
    "clean": "and no early allocation refused",
}


def advice_document(advice: Advice) -> dict[str, Any]:
    """Return the document of ``kho-sim advise --json`` as plain values."""
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


def advice_text(advice: Advice) -> str:
    """Return what ``kho-sim advise`` prints, without a line end."""
    return "\n".join(_lines(advice))


def _lines(advice: Advice) -> Iterator[str]:
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
