"""The simulator held against the logs of real kernels: placements, single steps, blind facts."""

from kho_sim.verify.document import failing, totals, verify_document
from kho_sim.verify.explained import Explained, outdated, read_explained, reason
from kho_sim.verify.log_check import (
    BootCheck,
    Difference,
    LogCheck,
    Refused,
    check_log,
    check_logs,
    check_trace,
)
from kho_sim.verify.table import verify_text

__all__ = [
    "BootCheck",
    "Difference",
    "Explained",
    "LogCheck",
    "Refused",
    "check_log",
    "check_logs",
    "check_trace",
    "failing",
    "outdated",
    "read_explained",
    "reason",
    "totals",
    "verify_document",
    "verify_text",
]
