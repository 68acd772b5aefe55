"""A console log in which selftests report is read as the same log without their lines."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from kho_sim.logs.reader import read_boot_log

LOG = Path(__file__).parents[2] / "recorded" / "machine-1G.log.xz"
REPORT = (
    "TAP version 13",
    "1..2",
    "# [STAGE 1] before the kexec",
    "ok 1 kho",
    "not ok 2 luo # SKIP no session",
    "# Totals: pass:1 fail:0 xfail:0 xpass:0 skip:1 error:0",
    "    KTAP version 1",
    "    # Subtest: restore",
    "    ok 1 restore",
)
"""Lines of the kernel's test protocol (Documentation/dev-tools/ktap.rst)."""


@pytest.mark.parametrize("every", [7, 50])
def test_lines_of_tests_change_nothing(every: int, tmp_path: Path) -> None:
    lines = lzma.decompress(LOG.read_bytes()).decode(errors="replace").splitlines()
    told = [
        text
        for number, line in enumerate(lines)
        for text in (line, *([REPORT[number // every % len(REPORT)]] * (number % every == 0)))
    ]
    mixed = tmp_path / "selftests.log"
    mixed.write_text("\n".join(told) + "\n")
    assert len(told) > len(lines)
    alone, among = read_boot_log(LOG), read_boot_log(mixed)
    assert among.digest == alone.digest
    added = len(told) - len(lines)
    assert among.provenance["unknown_lines"] == alone.provenance["unknown_lines"] + added
