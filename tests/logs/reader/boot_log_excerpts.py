"""A small chain of two kernels in the kernel's own formats, written by hand for the tests.

Two CPUs, 1 GiB, two scratch areas; three preservations in two runs; the second kernel dies.
"""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).parent / "data"
COLD = (DATA / "excerpt-cold.txt").read_text()
REVIVED = (DATA / "excerpt-revived.txt").read_text()
USER = """\
OBS INIT stage 0 of 2
OBS meminfo MemTotal:  900 kB
OBS preserved
OBS kexec loaded
"""
"""What user space prints on the console; never stamped."""

CHAIN = (COLD + REVIVED).splitlines()
