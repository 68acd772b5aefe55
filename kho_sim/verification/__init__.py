"""The simulator held against the logs of real kernels: placements, single steps, blind facts."""

from kho_sim.verification.document import failing, totals, verify_document
from kho_sim.verification.explained import Explained, outdated, read_explained, reason
from kho_sim.verification.log_check import (
    BootCheck,
    Difference,
    LogCheck,
    Refused,
    check_log,
    check_logs,
    check_trace,
)
from kho_sim.verification.table import verify_text
from kho_sim.verification.verify import Verification, verify_logs

__all__ = [
    "BootCheck",
    "Difference",
    "Explained",
    "LogCheck",
    "Refused",
    "Verification",
    "check_log",
    "check_logs",
    "check_trace",
    "failing",
    "outdated",
    "read_explained",
    "reason",
    "totals",
    "verify_document",
    "verify_logs",
    "verify_text",
]
