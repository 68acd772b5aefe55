"""Real machines become scenarios: boot logs, /proc/iomem, lsmem, /proc/zoneinfo, debugfs."""

from kho_sim.logs.importing.complete import completed
from kho_sim.logs.importing.from_log import scenario_from_trace
from kho_sim.logs.importing.imported import Disagreement, ImportedScenario, Source, combine
from kho_sim.logs.importing.sources import import_files, read_source
from kho_sim.logs.importing.this_machine import import_this_machine
from kho_sim.logs.importing.write import scenario_text

__all__ = [
    "Disagreement",
    "ImportedScenario",
    "Source",
    "combine",
    "completed",
    "import_files",
    "import_this_machine",
    "read_source",
    "scenario_from_trace",
    "scenario_text",
]
