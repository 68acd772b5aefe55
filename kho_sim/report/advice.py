"""Advice as tables and as one HTML page to send."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import pandas as pd

from kho_sim.base.errors import InputError
from kho_sim.layout import Cell
from kho_sim.report.page import PageFigure, page_figure, page_table, render

if TYPE_CHECKING:
    from kho_sim.sweeps.advise.advice import Advice

TRIAL_MEANINGS = {
    "kho_scratch": "sizes that were tried; default: the kernel's own",
    "strategy": "extension strategy",
    "shift": "log2 of the block size in bytes",
    "seed": "of the chain",
    "outcome": "how the chain ended",
    "boot": "in which boot",
    "message": "what the kernel says",
    "scratch_bytes": "scratch of the first kernel, all areas together",
    "refused": "early allocations of a KHO boot that failed, beyond those of the cold one",
    "gigantic_missing": "gigantic pages that a KHO boot did not obtain and the cold one did",
    "killed": "processes that the OOM killer ended",
    "extended_bytes": "smallest extension of a KHO boot",
}
SHIFT_MEANINGS = {
    "survives": "early boot comes up, with all gigantic pages",
    "extend_ns": "longest extension step",
    "digest_pages": "most pages of the second tree",
    "memory_regions": "most regions of memblock.memory",
    **{name: TRIAL_MEANINGS[name] for name in ("shift", "refused", "extended_bytes")},
}
HEADINGS = {
    "survival_by_scratch": (
        "Which scratch is enough",
        "One mark a chain: its scratch, whether it survived, and whether early allocations were "
        "refused. The table trials has the numbers.",
    ),
    "recovered_on_advice": (
        "What block sizes recover",
        "With the advised scratch, on what the KHO boots of one chain inherit. "
        "The table shifts has the numbers.",
    ),
}


def trials_table(advice: Advice) -> pd.DataFrame:
    """Return one row per simulated chain; columns as in ``TRIAL_MEANINGS``."""
    rows = [
        {
            "kho_scratch": str(one.setup.areas or "default"),
            "strategy": one.setup.strategy,
            "shift": one.setup.shift,
            "seed": one.seed,
            **asdict(one.chain),
        }
        for one in advice.trials
    ]
    return pd.DataFrame(rows, columns=list(TRIAL_MEANINGS))


def shifts_table(advice: Advice) -> pd.DataFrame:
    """Return one row per block shift; columns as in ``SHIFT_MEANINGS``."""
    rows = [asdict(row) for row in advice.shift_rows]
    return pd.DataFrame(
        rows,
        columns=[
            "shift", "survives", "refused", "extended_bytes", "extend_ns", "digest_pages",
            "memory_regions",
        ],
    )  # fmt: skip


def advice_html(advice: Advice, lead: list[str], text: str) -> str:
    """Return the page. ``lead`` and ``text`` are the advice in words."""
    from kho_sim._version import __version__

    return render(
        title=f"Advice on scratch: {advice.description or 'a host'}",
        lead=[Cell(sentence) for sentence in lead],
        text=text,
        figures=list(_figures(advice)),
        tables=[
            page_table("trials", "Every simulated chain.", trials_table(advice), TRIAL_MEANINGS),
            page_table("shifts", "One row per block size.", shifts_table(advice), SHIFT_MEANINGS),
        ],
        origin={"software": f"kho_sim {__version__}", "seeds": ", ".join(map(str, advice.seeds))},
    )


def _figures(advice: Advice) -> list[PageFigure]:
    from kho_sim.plots import ADVICE_FIGURES

    figures = []
    for name, (heading, caption) in HEADINGS.items():
        try:
            figures.append(page_figure(name, heading, caption, ADVICE_FIGURES[name](advice)))
        except InputError:
            continue
    return figures
