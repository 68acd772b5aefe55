"""Scenarios: their files and the words in them.

Names are resolved on first use, so that importing the room does not load the schema.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kho_sim.base.lazy import lazy_names

if TYPE_CHECKING:
    from kho_sim.scenario.loader import as_scenario, from_dict, load, loads, scenario_of
    from kho_sim.scenario.spec import Scenario, json_schema
    from kho_sim.scenario.vary import canonical_key, parse_values, with_values

__all__ = [
    "Scenario",
    "as_scenario",
    "canonical_key",
    "from_dict",
    "json_schema",
    "load",
    "loads",
    "parse_values",
    "scenario_of",
    "with_values",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Scenario": "kho_sim.scenario.spec",
            "as_scenario": "kho_sim.scenario.loader",
            "canonical_key": "kho_sim.scenario.vary",
            "from_dict": "kho_sim.scenario.loader",
            "json_schema": "kho_sim.scenario.spec",
            "load": "kho_sim.scenario.loader",
            "loads": "kho_sim.scenario.loader",
            "parse_values": "kho_sim.scenario.vary",
            "scenario_of": "kho_sim.scenario.loader",
            "with_values": "kho_sim.scenario.vary",
        },
        __all__,
    )
