"""Retrieval: a KHO boot keeps what was preserved from the page allocator.

``kernel.retrieval`` of a scenario names the way; it combines freely with the extension. What all of
them leave out: the mark in the head page of each preservation.
"""

from __future__ import annotations

from kho_sim.base import plugins
from kho_sim.kho.retrieve import (
    collect_runs,
    one_call,
    parallel,
    per_key,
    skip_at_free,
    two_pass,
)
from kho_sim.kho.retrieve.base import (
    FirstPass,
    ReserveFirst,
    Retrieval,
    Retrieve,
    RetrieveOptions,
    Retriever,
)

__all__ = [
    "RETRIEVALS",
    "FirstPass",
    "Retrieval",
    "Retrieve",
    "RetrieveOptions",
    "Retriever",
    "register_retrieval",
    "reserving_first",
    "retriever_of",
]

RETRIEVALS: dict[str, Retriever] = {
    "per-key": Retriever(per_key.retrieve),
    "one-call": Retriever(one_call.retrieve),
    "collect-runs": Retriever(collect_runs.retrieve, early_form="two-pass-runs"),
    "two-pass": Retriever(two_pass.retrieve_each, two_pass.reserve_each),
    "two-pass-runs": Retriever(two_pass.retrieve_runs, two_pass.reserve_runs),
    "skip-at-free": Retriever(skip_at_free.retrieve),
    "parallel": Retriever(parallel.retrieve, early_form="two-pass-runs"),
}
"""Those of the package, by the name that ``kernel.retrieval`` of a scenario uses."""


def retriever_of(name: str) -> Retriever:
    """Return a retrieval of the package, or a plug-in. Raises KeyError."""
    if name in RETRIEVALS:
        return RETRIEVALS[name]
    plugin = plugins.RETRIEVALS.get(name)
    if plugin is None:
        raise KeyError(name)
    return plugin if isinstance(plugin, Retriever) else Retriever(plugin)


def reserving_first(name: str) -> str:
    """Return the retrieval itself if it has a first pass, else its form that has one."""
    retriever = retriever_of(name)
    return name if retriever.reserve_first else retriever.early_form


def register_retrieval(
    name: str, retrieve: Retrieve, *, reserve_first: ReserveFirst | None = None
) -> None:
    """Add a way to retrieve, so that scenarios may name it.

    ``retrieve``: (memblock, incoming tree, options) -> Retrieval; ``reserve_first``: (memblock,
    incoming tree) -> FirstPass, before all other early allocations. Both are held to their contract
    by ``python -m kho_sim.contracts NAME``. Raises: InputError if the package has one of that name.
    """
    plugins.RETRIEVALS.register(name, Retriever(retrieve, reserve_first))
