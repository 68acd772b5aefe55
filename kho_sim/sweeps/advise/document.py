"""Advice as a document of plain values, for ``--json`` and for its folder."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from kho_sim.sweeps.advise.areas import Areas

if TYPE_CHECKING:
    from kho_sim.sweeps.advise.advice import Advice, Setup

SCHEMA = "kho-sim/advice"
SCHEMA_VERSION = 3
KINDS = ("seeds", "advised", "smallest", "shift_rows", "tried", "trials", "directory")
"""Fields of advice that are written as more than a value."""


def advice_document(advice: Advice) -> dict[str, Any]:
    """Return the document of ``kho-sim advise --json`` as plain values."""
    names = [field.name for field in fields(advice) if field.name not in KINDS]
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        **{name: getattr(advice, name) for name in names},
        "seeds": list(advice.seeds),
        "advised": _setup_row(advice.advised, advice.nodes) if advice.advised else None,
        "smallest": [
            {
                "strategy": one.strategy,
                "grade": one.grade,
                **_areas_row(one.areas, advice.nodes),
                "complete": one.complete,
            }
            for one in advice.smallest
        ],
        "shift_rows": [asdict(row) for row in advice.shift_rows],
        "tried": [str(areas) for areas in advice.tried],
        "trials": [
            {**_setup_row(one.setup, advice.nodes), "seed": one.seed, **asdict(one.chain)}
            for one in advice.trials
        ],
        "directory": str(advice.directory),
    }


def _setup_row(setup: Setup, nodes: int) -> dict[str, Any]:
    own = _areas_row(setup.areas, nodes)
    return {**own, "strategy": setup.strategy, "shift": setup.shift}


def _areas_row(areas: Areas | None, nodes: int) -> dict[str, Any]:
    return {
        "kho_scratch": str(areas) if areas else None,
        "total_bytes": areas.total_bytes(nodes) if areas else None,
    }
