"""Chains that were simulated for advice: asked for by their overrides, kept in a sweep.

What was simulated once, in this or in an earlier call, is looked up. A point is first tried with
the scenario's seed, and with further ones (the replicates) only if it survived: most points die at
once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kho_sim.base.errors import EngineError
from kho_sim.scenario import Scenario, with_values
from kho_sim.sweeps.design import SEED_KEY, Point, build_design, replicate_seed, run_id_of
from kho_sim.sweeps.driver import Driver, Progress
from kho_sim.sweeps.engine import Engine
from kho_sim.sweeps.parts import part_names, read_parquet
from kho_sim.sweeps.stop import Stop
from kho_sim.sweeps.store import DESIGN, MANIFEST, Store, read_design, read_manifest
from kho_sim.sweeps.tables import ALWAYS


@dataclass(frozen=True, slots=True)
class Chain:
    """The results of one simulated chain, as far as advice needs them.

    ``refused``: early allocations of a KHO boot that failed, beyond those of the cold one.
    ``gigantic_missing``: gigantic pages that a KHO boot did not obtain and the cold one did.
    """

    run_id: str
    outcome: str
    boot: int
    message: str
    scratch_bytes: int
    refused: int
    gigantic_missing: int
    extended_bytes: int
    extend_ns: int
    digest_pages: int
    memory_regions: int

    @property
    def survives(self) -> bool:
        """It came to its end, with as many gigantic pages in each boot as in the first."""
        return self.outcome == "completed" and not self.gigantic_missing

    @property
    def is_clean(self) -> bool:
        """It survived, and no KHO boot was refused an early allocation that the cold one got."""
        return self.survives and not self.refused


class Evidence:
    """Chains of one scenario, simulated when they are asked for."""

    def __init__(
        self,
        scenario: Scenario,
        directory: Path,
        engine: Engine,
        stop: Stop,
        progress: Progress | None = None,
    ):
        """Go on with what is stored there. Raises EngineError if that is another sweep."""
        # Each point is one strategy: a twin would be simulated twice.
        self._scenario = with_values(scenario, {"chain.twin": False})
        self._seed = scenario.chain.seed
        self._engine, self._stop, self._progress = engine, stop, progress
        self._points = _stored_points(directory)
        self._design = build_design(self._scenario, self._points)
        self._store = Store(directory, self._design, ALWAYS)
        self._chains: dict[str, Chain] = {}
        self._read: set[str] = set()
        self._read_parts()

    @property
    def count(self) -> int:
        """The number of chains by now."""
        return len(self._chains)

    def close(self) -> None:
        """Let the next process have the directory."""
        self._store.close()

    def ask(self, points: Iterable[Point], replicates: int) -> list[Chain]:
        """Return the chain of each point: the first of its replicates that is worse, if any is."""
        points = list(points)
        worst = self._simulated(points, 0)
        for replicate in range(1, replicates):
            alive = [number for number, chain in enumerate(worst) if chain.survives]
            again = self._simulated([points[number] for number in alive], replicate)
            for number, chain in zip(alive, again, strict=True):
                if not chain.survives or (worst[number].is_clean and not chain.is_clean):
                    worst[number] = chain
        return worst

    def _simulated(self, points: list[Point], replicate: int) -> list[Chain]:
        seed = replicate_seed(self._seed, replicate)
        points = [{**point, SEED_KEY: seed} for point in points]
        ids = [run_id_of(with_values(self._scenario, point)) for point in points]
        new = {
            run_id: point
            for run_id, point in zip(ids, points, strict=True)
            if run_id not in self._chains
        }
        if new:
            self._simulate(new)
        return [self._chains[run_id] for run_id in ids]

    def _simulate(self, new: Mapping[str, Point]) -> None:
        self._points += new.values()
        self._design = build_design(self._scenario, self._points)
        self._store.take(self._design)
        driver = Driver(self._store, self._design, self._engine, self._progress)
        driver.should_stop = self._stop.is_asked
        driver.drive([self._design.runs[run_id] for run_id in new], self.count)
        self._stop.obey()
        self._read_parts()
        if missing := new.keys() - self._chains.keys():
            raise EngineError(
                f"{len(missing)} runs failed; the ledger in {self._store.directory} has the reasons"
            )

    def _read_parts(self) -> None:
        for name in part_names(self._store.directory):
            if name not in self._read and self._store.finished_in(name):
                self._chains |= _chains_of(self._store.directory, name)
            self._read.add(name)


def _stored_points(directory: Path) -> list[Point]:
    """Return the points that a stored design was made of: its varied places are all there is."""
    if not ((directory / MANIFEST).exists() and (directory / DESIGN).exists()):
        return []
    keys = read_manifest(directory)["keys"]
    rows = read_design(directory).to_pylist()
    return [{key: row[key] for key in keys} for row in rows]


def _chains_of(directory: Path, part: str) -> dict[str, Chain]:
    runs = read_parquet(directory / "runs" / part).to_pylist()
    boots: dict[str, list[dict[str, Any]]] = {run["run_id"]: [] for run in runs}
    for boot in read_parquet(directory / "boots" / part).to_pylist():
        boots[boot["run_id"]].append(boot)
    return {run["run_id"]: _chain(run, boots[run["run_id"]]) for run in runs}


def _chain(run: dict[str, Any], boots: list[dict[str, Any]]) -> Chain:
    cold, *warm = boots
    own = cold["gigantic_pages_allocated"] or 0
    return Chain(
        run_id=run["run_id"],
        outcome=run["outcome"],
        boot=run["outcome_boot"],
        message=run["outcome_message"],
        scratch_bytes=cold["scratch_bytes"] or 0,
        refused=max([0, *(_more(boot, cold, "failures") for boot in warm)]),
        gigantic_missing=max(
            [0, *(own - (boot["gigantic_pages_allocated"] or 0) for boot in warm)]
        ),
        extended_bytes=run["extended_bytes_min"] or 0,
        extend_ns=run["extend_ns_max"] or 0,
        digest_pages=run["digest_pages_max"] or 0,
        memory_regions=run["memory_regions_max"] or 0,
    )


def _more(boot: dict[str, Any], cold: dict[str, Any], fact: str) -> int:
    return int((boot[fact] or 0) - (cold[fact] or 0))
