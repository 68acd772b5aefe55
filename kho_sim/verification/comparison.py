"""One value of the model beside the same value of a real kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """``exact``: the values are equal.

    ``close``: for a fact that follows the page allocator, whether it is within its stated
    tolerance; None where only equality counts.
    """

    predicted: Any
    observed: Any
    exact: bool
    close: bool | None = None


class Miss(NamedTuple):
    """An early allocation that the model put elsewhere; addresses are 0 where it was refused."""

    sequence: int
    what: str
    size_bytes: int
    align_bytes: int
    nid: int
    predicted: int
    observed: int


def compare(predicted: Any, observed: Any) -> Comparison:
    """Return the comparison of a value that has to be equal."""
    return Comparison(predicted=predicted, observed=observed, exact=predicted == observed)
