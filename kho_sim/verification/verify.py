"""Verification of recorded logs: from their names to everything that was compared of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from kho_sim.base.notebook import text_html
from kho_sim.base.units import counted
from kho_sim.layout import PLAIN, Layout
from kho_sim.verification.document import failing, totals, verify_document
from kho_sim.verification.explained import Explained
from kho_sim.verification.log_check import Difference, LogCheck, Refused, check_logs
from kho_sim.verification.table import verify_text


@dataclass(frozen=True, repr=False)
class Verification:
    """The results of simulating recorded chains; prints as ``kho-sim verify`` does."""

    checks: tuple[LogCheck, ...]
    """One per log that could be read, in the order given."""
    refused: tuple[Refused, ...] = ()
    """Logs that could not be read, each with the reason."""
    explained: tuple[Explained, ...] = ()
    """Known differences."""

    @property
    def document(self) -> dict[str, Any]:
        """The document that ``kho-sim verify --json`` prints, as plain values."""
        return verify_document(self.checks, self.explained)

    def failing(self, any_difference: bool = False) -> list[Difference]:
        """Return the differences that are not allowed: neither known nor a fact with a tolerance.

        ``any_difference``: nothing but what is known is allowed.
        """
        return failing(self.checks, self.explained, any_difference)

    def text(self, layout: Layout = PLAIN) -> str:
        """Return the table and the differences, without a line end."""
        return verify_text(self.checks, self.explained, layout)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        sums = totals(self.checks)
        placed, refused = sums["placements"], f", {len(self.refused)} refused" * bool(self.refused)
        return (
            f"<Verification: {counted(sums['logs'], 'log')}{refused}, "
            f"{counted(sums['boots'], 'boot')}, "
            f"{placed['exact']} of {placed['compared']} placements exact, "
            f"{counted(len(self.failing()), 'difference')} not allowed>"
        )

    def _repr_html_(self) -> str:
        return text_html("\n".join([str(self), *(one.message for one in self.refused)]))


def verify_logs(
    paths: Iterable[str | PathLike[str]],
    *,
    explained: Sequence[Explained] = (),
    workers: int | None = 1,
) -> Verification:
    """Simulate what real console logs recorded (plain, gzip or xz), and compare.

    ``explained`` are known differences (``read_explained``). ``workers`` processes; 1 is
    this one, None: one per processor. A log that cannot be read is in ``refused``; the others are
    checked all the same; one that is named twice is checked once. Raises: EngineError if processes
    do not start.
    """
    by_place = {os.path.realpath(path): os.fspath(path) for path in paths}
    results = list(check_logs(list(by_place.values()), workers))
    return Verification(
        checks=tuple(result for result in results if isinstance(result, LogCheck)),
        refused=tuple(result for result in results if isinstance(result, Refused)),
        explained=tuple(explained),
    )
