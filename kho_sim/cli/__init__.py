"""The command line: ``kho-sim VERB``, one file a verb."""

from kho_sim.cli.app import main

__all__ = ["main"]
