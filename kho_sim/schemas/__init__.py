"""JSON Schemas: of scenario files, of every document that ``--json`` prints, and of stored folders.

``schema_of`` returns one of ``SCHEMAS``. Each has an ``$id`` with the version of its document, and
is closed: it knows every key that this version of kho_sim writes. Left out: the tables of stored
folders, whose columns the page of tables lists, and trace events, whose form is not kho_sim's.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from kho_sim.base.errors import InputError, nearest

SCHEMAS = {
    "scenario": "a scenario file",
    "run": "run --json; report --format json of a run, a scenario or a log",
    "cost": "cost --json",
    "verify": "verify --json",
    "advice": "advise --json; report --format json of advice",
    "blackout-advice": "advise --blackout TIME --json",
    "sweep-result": "sweep --json",
    "sweep-plan": "sweep --dry-run --json",
    "sweep-report": "report --format json of a sweep",
    "compare": "compare --json",
    "stored-run": "run.json in the folder of run -o",
    "stored-sweep": "manifest.json in the folder of sweep -o",
    "stored-advice": "advice.json in the folder of advise -o",
}
"""Name of a schema -> the documents that it is of."""


def schema_of(name: str) -> dict[str, Any]:
    """Return a schema by its name in ``SCHEMAS``.

    Raises: InputError for a name that none has.
    """
    if name not in SCHEMAS:
        near = nearest(name, SCHEMAS)
        hint = f"; nearest: {near}" if near else ""
        raise InputError(f"'{name}' is no schema; accepted: {', '.join(SCHEMAS)}{hint}")
    from kho_sim.scenario.spec import DIALECT, json_schema

    if name == "scenario":
        return json_schema()
    makers: dict[str, Callable[[], dict[str, Any]]]
    makers = import_module("kho_sim.schemas.documents").DOCUMENTS
    document = makers[name]()
    version = document["properties"]["schema_version"]["const"]
    return {
        "$schema": DIALECT,
        "$id": f"urn:kho-sim:{name}:{version}",
        "title": f"kho_sim: {SCHEMAS[name]}",
        **document,
    }
