"""The program's name, and the environment variable with which a shell asks it for completions."""

from __future__ import annotations

PROGRAM = "kho-sim"
COMPLETION_VARIABLE = "_KHO_SIM_COMPLETE"
"""In it a shell's script says what it wants: ``bash_source``, ``bash_complete`` and so on."""
