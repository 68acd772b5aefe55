"""Real machines become scenarios: boot logs, /proc/iomem, lsmem, /proc/zoneinfo, debugfs."""

from kho_sim.importing.from_log import scenario_from_trace, source_of_trace
from kho_sim.importing.imported import Disagreement, ImportedScenario, Source, combine

__all__ = [
    "Disagreement",
    "ImportedScenario",
    "Source",
    "combine",
    "scenario_from_trace",
    "source_of_trace",
]
