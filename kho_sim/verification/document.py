"""The JSON document of ``verify``: every comparison of every log, and their totals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kho_sim.base.blocks import Blocks
from kho_sim.verification.comparison import Comparison
from kho_sim.verification.explained import Explained, reason
from kho_sim.verification.log_check import BootCheck, Difference, LogCheck

SCHEMA = "kho-sim/verify"
SCHEMA_VERSION = 1
MISSES_SHOWN = 100
"""Misplaced allocations listed a boot; the counts are always whole."""


def verify_document(
    checks: Sequence[LogCheck], explained: Sequence[Explained] = ()
) -> dict[str, Any]:
    """Return the document of ``kho-sim verify --json`` as plain values."""
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "logs": [_log(check, explained) for check in checks],
        "totals": totals(checks),
    }


def totals(checks: Iterable[LogCheck]) -> dict[str, Any]:
    """Return how much was compared and how much of it was exact, by kind and name."""
    checks = list(checks)
    boots = [boot for check in checks for boot in check.boots]
    outcomes = [check.outcome for check in checks if check.outcome]
    return {
        "logs": len(checks),
        "boots": len(boots),
        "placements": {
            "compared": sum(boot.placements.compared for boot in boots),
            "exact": sum(boot.placements.exact for boot in boots),
            "left_out": sum(sum(boot.placements.left_out.values()) for boot in boots),
        },
        "steps": _sums(boot.steps for boot in boots),
        "facts": _sums(boot.facts for boot in boots),
        "outcomes": {"compared": len(outcomes), "exact": sum(o.exact for o in outcomes)},
    }


def failing(
    checks: Iterable[LogCheck], explained: Sequence[Explained], any_difference: bool = False
) -> list[Difference]:
    """Return the differences that are not allowed: neither known nor a fact with a tolerance.

    ``any_difference``: nothing but what is known is allowed.
    """
    return [
        found
        for check in checks
        for found in check.differences()
        if (any_difference or not found.follows_placement) and not reason(found, explained)
    ]


def _sums(values: Iterable[dict[str, Comparison]]) -> dict[str, dict[str, int]]:
    by_name: dict[str, list[Comparison]] = {}
    for comparisons in values:
        for name, value in comparisons.items():
            by_name.setdefault(name, []).append(value)
    return {name: _sum(found) for name, found in by_name.items()}


def _sum(found: Sequence[Comparison]) -> dict[str, int]:
    """``close``, for facts with a tolerance, counts the exact ones as well."""
    row = {"compared": len(found), "exact": sum(value.exact for value in found)}
    if any(value.close is not None for value in found):
        row["close"] = sum(value.exact or bool(value.close) for value in found)
    return row


def _log(check: LogCheck, explained: Sequence[Explained]) -> dict[str, Any]:
    outcome: dict[str, Any] = {}
    for side in ("predicted", "observed"):
        ended = getattr(check, side)
        if ended is None:
            continue
        outcome |= {side: ended.kind, f"{side}_boot": ended.boot, f"{side}_message": ended.message}
    if check.outcome is not None:
        outcome["exact"] = check.outcome.exact
    shown = {
        "log": check.log,
        "outcome": outcome,
        "boots": [_boot(check.log, boot, explained) for boot in check.boots],
    }
    return {**shown, "notes": list(check.notes)} if check.notes else shown


def _boot(log: str, boot: BootCheck, explained: Sequence[Explained]) -> dict[str, Any]:
    placed = boot.placements
    placements: dict[str, Any] = {"compared": placed.compared, "exact": placed.exact}
    if placed.misses:
        placements["misses"] = [miss._asdict() for miss in placed.misses[:MISSES_SHOWN]]
    if placed.left_out:
        placements["left_out"] = placed.left_out
    shown: dict[str, Any] = {"boot": boot.boot, "kind": boot.kind, "placements": placements}
    for of, values in (("steps", boot.steps), ("facts", boot.facts)):
        shown[of] = {
            name: _comparison(Difference(log, boot.boot, of, name, value), explained)
            for name, value in values.items()
        }
    return shown


def _comparison(found: Difference, explained: Sequence[Explained]) -> dict[str, Any]:
    value = found.comparison
    shown: dict[str, Any] = {
        "predicted": _plain(found.name, value.predicted),
        "observed": _plain(found.name, value.observed),
        "exact": value.exact,
    }
    if value.close is not None:
        shown["close"] = value.close
    why = "" if value.exact else reason(found, explained)
    return {**shown, "why": why} if why else shown


def _plain(name: str, value: Any) -> Any:
    """Keys by order are a mapping in JSON, as in the document of ``run``."""
    if name == "preservations_by_order" and value is not None:
        return {str(order): number for order, number in value}
    return value.plain() if isinstance(value, Blocks) else value
