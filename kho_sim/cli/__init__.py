"""The command line: ``kho-sim VERB``, one file per verb."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

INTERRUPTED = 130
ENGINE = 5
WINDOWS = "win32"


def main() -> NoReturn:
    """Run the command line of this process and exit with its code."""
    if sys.platform == WINDOWS:
        sys.stderr.write(
            "kho-sim: Windows is not supported, as it has neither fork nor locks on folders; "
            "in the Windows Subsystem for Linux kho-sim runs as on Linux\n"
        )
        sys.exit(ENGINE)
    # A thread for each processor takes address space for nothing, and where there is too little of
    # that OpenBLAS interrupts the process.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from kho_sim.cli.app import run_process
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    run_process()
