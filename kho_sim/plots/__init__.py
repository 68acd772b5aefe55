"""Figures: one file and one function each, from a trace, a sweep or a verification to a Figure.

The functions return ``matplotlib.figure.Figure`` objects and change no global state; ``save``
writes them with their provenance inside.
"""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from kho_sim.plots.blackout_by import blackout_by
from kho_sim.plots.extension_cost import extension_cost
from kho_sim.plots.failures import failures
from kho_sim.plots.handover_matrix import handover_matrix, matrix_table
from kho_sim.plots.lineage import lineage
from kho_sim.plots.memory_map import memory_map
from kho_sim.plots.outcomes import outcomes
from kho_sim.plots.paired_differences import paired_differences
from kho_sim.plots.predicted_observed import predicted_observed
from kho_sim.plots.recovered import recovered
from kho_sim.plots.recovered_on_advice import recovered_on_advice
from kho_sim.plots.scratch_use import scratch_use
from kho_sim.plots.style import FORMATS, picture, provenance_of, save
from kho_sim.plots.survival_by_scratch import survival_by_scratch
from kho_sim.plots.timeline import timeline
from kho_sim.plots.tree import tree
from kho_sim.plots.waterfall import waterfall

TRACE_FIGURES: dict[str, Callable[..., Figure]] = {
    "memory_map": memory_map,
    "scratch_use": scratch_use,
    "failures": failures,
    "timeline": timeline,
    "lineage": lineage,
    "tree": tree,
    "waterfall": waterfall,
}
"""Figures of one chain, simulated or read from a log."""

AXIS_FIGURES: dict[str, Callable[..., Figure]] = {
    "outcomes": outcomes,
    "recovered": recovered,
    "extension_cost": extension_cost,
    "blackout_by": blackout_by,
}
"""Figures of any sweep, over any of its axes."""

SWEEP_FIGURES: dict[str, Callable[..., Figure]] = {
    **AXIS_FIGURES,
    "handover_matrix": handover_matrix,
}
"""Figures of a sweep; the matrix is of one over two releases."""

ADVICE_FIGURES: dict[str, Callable[..., Figure]] = {
    "survival_by_scratch": survival_by_scratch,
    "recovered_on_advice": recovered_on_advice,
}
"""Figures of an advice."""

VERIFY_FIGURES: dict[str, Callable[..., Figure]] = {"predicted_observed": predicted_observed}
"""Figures of the document of ``kho-sim verify``."""

__all__ = [
    "ADVICE_FIGURES",
    "AXIS_FIGURES",
    "FORMATS",
    "SWEEP_FIGURES",
    "TRACE_FIGURES",
    "VERIFY_FIGURES",
    "blackout_by",
    "extension_cost",
    "failures",
    "handover_matrix",
    "lineage",
    "matrix_table",
    "memory_map",
    "outcomes",
    "paired_differences",
    "picture",
    "predicted_observed",
    "provenance_of",
    "recovered",
    "recovered_on_advice",
    "save",
    "scratch_use",
    "survival_by_scratch",
    "timeline",
    "tree",
    "waterfall",
]
