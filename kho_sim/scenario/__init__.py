"""What was asked for: scenario files and the words in them.

Names are resolved on first use, so that importing the room does not load the schema.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kho_sim.scenario.loader import from_dict, load, loads
    from kho_sim.scenario.spec import Scenario, json_schema
    from kho_sim.scenario.vary import parse_values, with_values

__all__ = [
    "Scenario",
    "from_dict",
    "json_schema",
    "load",
    "loads",
    "parse_values",
    "with_values",
]

_HOMES = {
    "Scenario": "spec",
    "from_dict": "loader",
    "json_schema": "spec",
    "load": "loader",
    "loads": "loader",
    "parse_values": "vary",
    "with_values": "vary",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
