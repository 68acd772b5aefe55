"""Reports of a trace for people."""

from kho_sim.report.text import report_text

__all__ = ["report_text"]
