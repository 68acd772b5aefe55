"""The command line: ``kho-sim VERB``, one file per verb."""

from __future__ import annotations

import sys
from typing import NoReturn

INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command line of this process and exit with its code."""
    try:
        from kho_sim.cli.app import run_process
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    run_process()
