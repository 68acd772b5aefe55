"""The schema of each document, made of the classes that the document is written from.

What a log or a scenario decides by name (facts that were compared, varied places, values of
provenance) is open; everything else is the keys that there are.
"""

from __future__ import annotations

from collections.abc import Callable

from kho_sim.base.blocks import BLOCK_BYTES, SPANS
from kho_sim.base.checksums import KEY
from kho_sim.base.results import SUMMARY
from kho_sim.base.words import OUTCOMES
from kho_sim.host_cost.cost import Cost
from kho_sim.schemas.types import (
    PLAIN,
    Schema,
    array,
    closed,
    mapping,
    of_type,
    properties_of,
    without_null,
)
from kho_sim.sweeps import store
from kho_sim.sweeps.advise import blackout
from kho_sim.sweeps.advise import document as advice
from kho_sim.sweeps.advise.advice import Advice
from kho_sim.sweeps.advise.evidence import Chain, ShiftRow
from kho_sim.sweeps.compare import Comparison, Difference
from kho_sim.sweeps.plan import Plan
from kho_sim.trace import summary as run
from kho_sim.trace.records import Boot, FailedAllocation, Incident, Outcome
from kho_sim.verification import document as verify
from kho_sim.verification.comparison import Miss

NULL, TEXT, WHOLE, NUMBER, YES_OR_NO = (PLAIN[kind] for kind in (type(None), str, int, float, bool))
ANYTHING: Schema = {}
PAIR = of_type(tuple[int, int])
COUNTS = mapping(WHOLE)
HEX = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
STATES = {"description": "state of runs -> how many", **COUNTS}


def run_schema() -> Schema:
    """Return the schema of a simulated chain or a log."""
    return _head(run.SCHEMA, run.SCHEMA_VERSION, _run_keys(), optional=("twin",))


def stored_run_schema() -> Schema:
    """Return the schema of a stored chain: that of a chain, with checksums."""
    files = {"description": "file of the folder -> its SHA-256", **mapping(HEX)}
    keys = {**_run_keys(), "files": files, KEY: HEX}
    return _head(run.SCHEMA, run.SCHEMA_VERSION, keys, optional=("twin",))


def cost_schema() -> Schema:
    """Return the schema of what KHO costs a host."""
    cost = of_type(Cost)
    keys = {"provenance": _provenance(), "memory_bytes": WHOLE, "configured": cost}
    return _head("kho-sim/cost", 1, {**keys, "least_scratch": _or_null(cost), "off": cost})


def verify_schema() -> Schema:
    """Return the schema of the comparison with logs."""
    compared = closed({"predicted": ANYTHING, "observed": ANYTHING, "exact": YES_OR_NO})
    compared["properties"] |= {"close": YES_OR_NO, "why": TEXT}
    placements = {"compared": WHOLE, "exact": WHOLE, "misses": array(of_type(Miss))}
    boot = {
        "boot": WHOLE,
        "kind": TEXT,
        "placements": closed({**placements, "left_out": COUNTS}, ("misses", "left_out")),
        "steps": mapping(compared),
        "facts": mapping(compared),
    }
    sides = [
        f"{side}{end}" for side in ("predicted", "observed") for end in ("", "_boot", "_message")
    ]
    outcome = {name: WHOLE if name.endswith("_boot") else TEXT for name in sides}
    outcome["exact"] = YES_OR_NO
    log = {"log": TEXT, "outcome": closed(outcome, [*outcome]), "boots": array(closed(boot))}
    sums = closed({"compared": WHOLE, "exact": WHOLE, "close": WHOLE}, ("close",))
    totals = {
        "logs": WHOLE,
        "boots": WHOLE,
        "placements": closed({"compared": WHOLE, "exact": WHOLE, "left_out": WHOLE}),
        "steps": mapping(sums),
        "facts": mapping(sums),
        "outcomes": sums,
    }
    logs = array(closed({**log, "notes": array(TEXT)}, ("notes",)))
    keys = {"logs": logs, "totals": closed(totals)}
    return _head(verify.SCHEMA, verify.SCHEMA_VERSION, keys)


def advice_schema() -> Schema:
    """Return the schema of advice."""
    return _head(advice.SCHEMA, advice.SCHEMA_VERSION, _advice_keys())


def blackout_advice_schema() -> Schema:
    """Return the schema of advice on a blackout."""
    times = {"blackout_ns": WHOLE, "blackout_range_ns": PAIR}
    change = {"change": TEXT, "values": mapping(ANYTHING), "proposal": YES_OR_NO, **times}
    keys = {
        "budget_ns": WHOLE,
        **times,
        "fits": YES_OR_NO,
        "changes": array(closed(change)),
        "left_ns": {"description": "phase -> central time", **COUNTS},
    }
    return _head(blackout.SCHEMA, blackout.SCHEMA_VERSION, keys)


def stored_advice_schema() -> Schema:
    """Return the schema of stored advice: that of advice with its checksum, or a search that has
    not ended."""
    unfinished = {"state": {"const": "unfinished"}, KEY: HEX}
    ways = [_head(advice.SCHEMA, advice.SCHEMA_VERSION, {**_advice_keys(), KEY: HEX})]
    ways.append(_head(advice.SCHEMA, advice.SCHEMA_VERSION, unfinished))
    head = {name: ways[0]["properties"][name] for name in ("schema", "schema_version")}
    return {"type": "object", "properties": head, "oneOf": ways}


def sweep_result_schema() -> Schema:
    """Return the schema of what a sweep did."""
    return _head("kho-sim/sweep-result", 1, {"directory": TEXT, "runs": WHOLE, "states": STATES})


def sweep_plan_schema() -> Schema:
    """Return the schema of what a sweep would do."""
    return _head("kho-sim/sweep-plan", 1, {"directory": TEXT, **properties_of(Plan)})


def sweep_report_schema() -> Schema:
    """Return the schema of the points of a sweep: varied places and results by name."""
    keys = {"provenance": stored_sweep_schema(), "states": STATES, "points": array(mapping({}))}
    return _head("kho-sim/sweep-report", 1, keys)


def stored_sweep_schema() -> Schema:
    """Return the schema of the manifest of a sweep."""
    keys = {
        "fingerprint": HEX,
        "model_version": WHOLE,
        "software": mapping(ANYTHING),
        "environment": mapping(ANYTHING),
        "scenario": mapping(ANYTHING),
        "keys": {"description": "varied places", **array(TEXT)},
        "replicates": WHOLE,
        "runs": WHOLE,
        "tables": array(TEXT),
        KEY: HEX,
    }
    return _head(store.SCHEMA, store.SCHEMA_VERSION, keys)


def compare_schema() -> Schema:
    """Return the schema of a paired comparison."""
    difference = closed(properties_of(Difference, without=["deltas"]))
    keys = properties_of(Comparison, without=["differences"])
    return _head("kho-sim/compare", 1, {**keys, "differences": array(difference)})


DOCUMENTS: dict[str, Callable[[], Schema]] = {
    "run": run_schema,
    "cost": cost_schema,
    "verify": verify_schema,
    "advice": advice_schema,
    "blackout-advice": blackout_advice_schema,
    "sweep-result": sweep_result_schema,
    "sweep-plan": sweep_plan_schema,
    "sweep-report": sweep_report_schema,
    "compare": compare_schema,
    "stored-run": stored_run_schema,
    "stored-sweep": stored_sweep_schema,
    "stored-advice": stored_advice_schema,
}
"""Name of a schema -> what makes it."""


def _head(
    name: str, version: int, keys: dict[str, Schema], optional: tuple[str, ...] = ()
) -> Schema:
    head: dict[str, Schema] = {"schema": {"const": name}, "schema_version": {"const": version}}
    return closed({**head, **keys}, optional)


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, NULL]}


def _provenance() -> Schema:
    """Of a simulation: software, seed and resolved scenario; of a log: its name and its lines."""
    known = {"source": {"enum": ["simulation", "log"]}, "digest": HEX, "seed": WHOLE}
    return {"type": "object", "properties": known, "required": ["source"]}


def _run_keys() -> dict[str, Schema]:
    outcome = closed({**properties_of(Outcome), "kind": {"enum": [*OUTCOMES, "unknown"]}})
    of_incident = {
        "files_kept": array(TEXT),
        "bytes_kept": WHOLE,
        "files_lost": array(TEXT),
        "bytes_lost": WHOLE,
    }
    incidents = array(closed({**properties_of(Incident), **of_incident}))
    boots = array(_boot())
    results = {
        name: {"type": "string" if name.startswith("outcome") else "integer", "description": what}
        for name, what in SUMMARY.items()
    }
    return {
        "provenance": _provenance(),
        "outcome": outcome,
        "boots": boots,
        "summary": closed(results, [*results]),
        "twin": closed({"outcome": outcome, "boots": boots, "incidents": incidents}),
        "incidents": incidents,
        "failures": array(of_type(FailedAllocation)),
    }


def _boot() -> Schema:
    """Facts that a boot does not have are left out; too many busy blocks are null, with spans."""
    facts = {name: without_null(schema) for name, schema in properties_of(Boot).items()}
    facts["preservations_by_order"] = {
        "description": "order -> count, zero counts left out",
        **COUNTS,
    }
    facts["busy_blocks"] = _or_null(facts["busy_blocks"])
    facts |= {
        BLOCK_BYTES: WHOLE,
        SPANS: array(PAIR),
        "phases_ns": {"description": "phase -> central time", **COUNTS},
        "phases_range_ns": {"description": "phase -> low and high time", **mapping(PAIR)},
    }
    return closed(facts, [name for name in facts if name not in ("boot", "kind")])


def _advice_keys() -> dict[str, Schema]:
    areas = {"kho_scratch": of_type(str | None), "total_bytes": of_type(int | None)}
    setup = {**areas, "strategy": TEXT, "shift": WHOLE}
    plain = properties_of(Advice, without=advice.KINDS)
    found = {"strategy": TEXT, "grade": TEXT, **areas, "complete": YES_OR_NO}
    trial = {**setup, "seed": WHOLE, **properties_of(Chain)}
    return {
        **plain,
        "seeds": array(WHOLE),
        "advised": _or_null(closed(setup)),
        "smallest": array(closed(found)),
        "shift_rows": array(of_type(ShiftRow)),
        "tried": array(TEXT),
        "trials": array(closed(trial)),
        "directory": TEXT,
    }
