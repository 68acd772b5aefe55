"""What no log of one boot tells: how many kernels the chain has, and what is handed on."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from kho_sim.base.errors import Problem, ScenarioError
from kho_sim.logs.importing.chains import NO_BOOTS
from kho_sim.logs.importing.imported import ImportedScenario
from kho_sim.logs.importing.workload import NO_WORKLOAD
from kho_sim.scenario.yaml_tree import read_yaml

BOOTS, WORKLOAD = "--boots", "--workload"
FILE_LIMIT_BYTES = 1 << 20


def completed(
    imported: ImportedScenario, boots: int | None = None, workload: str | None = None
) -> ImportedScenario:
    """Return an imported scenario with so many boots, and with this workload (YAML, or the name of
    a file with it: an entry or a list of them). What is given replaces what a source told.

    Raises: ScenarioError if the workload is no YAML.
    """
    scenario, origins = copy.deepcopy(imported.scenario), dict(imported.origins)
    answered = []
    if boots is not None:
        scenario.setdefault("chain", {})["boots"] = boots
        origins["chain.boots"] = BOOTS
        answered.append(NO_BOOTS)
    if workload is not None:
        scenario["workload"] = _entries(workload)
        origins["workload"] = WORKLOAD
        answered.append(NO_WORKLOAD)
    notes = tuple(note for note in imported.notes if not any(text in note for text in answered))
    return replace(imported, scenario=_in_order(scenario), origins=origins, notes=notes)


def _entries(text: str) -> list[Any]:
    """Indented, a value may be in one line or a list in lines of its own."""
    text = _text_of(text)
    document = read_yaml("workload:\n" + "".join(f" {line}\n" for line in text.splitlines()), "")
    value = document.value.get("workload") if isinstance(document.value, dict) else None
    if document.problems or not isinstance(value, (dict, list)):
        found = document.problems[0].message if document.problems else f"'{text}' is no list"
        message = f"{found}; accepted: YAML such as [{{kind: memfd, count: 2, size: 1GiB}}]"
        raise ScenarioError([Problem(WORKLOAD, 0, 0, "workload", message)])
    return value if isinstance(value, list) else [value]


def _text_of(text: str) -> str:
    """Return the text of a file, if that is the name of one; else the text itself."""
    if not text.strip() or text.lstrip()[0] in "[{-":
        return text
    path = Path(text)
    try:
        with path.open("rb") as file:
            return file.read(FILE_LIMIT_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no UTF-8 text"
        message = f"{reason}; accepted: a file, or YAML such as {{kind: memfd, size: 1GiB}}"
        raise ScenarioError([Problem(text, 0, 0, "workload", message)]) from error


def _in_order(scenario: dict[str, Any]) -> dict[str, Any]:
    """Sources stand last in a scenario."""
    sources = scenario.pop("sources", None)
    return scenario if sources is None else {**scenario, "sources": sources}
