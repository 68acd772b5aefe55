"""The reader's memory: bounded for any log, and not by how long it is."""

import subprocess
import sys

import pytest

from kho_sim.base.errors import TraceError
from kho_sim.logs.reader import read_boot_log_lines
from kho_sim.logs.reader import reader as reader_module

FIRST = b"[    0.000000] Linux version 7.3.0 (me@here) (gcc) #1\n"
FORMS = {
    "boots": FIRST,
    "events": b"[    0.000000] Kernel panic - not syncing: VFS: %d\n",
    "map": b"[    0.000000] BIOS-e820: [mem 0x%012x-0x%012x] usable\n",
    "reservations": b"[    0.000000] memblock_reserve: [0x%012x-0x%012x] f+0x1/0x2\n",
    "runs": b"reserve: [0x%012x-0x%012x] nid=-1 flags=0 kho_preserved_memory_reserve\n",
    "regions": b"[    0.000000]  memory[0x0]\t[0x%012x-0x%012x], 0x1000 bytes flags: 0x0\n",
}


def lines(form, count):
    """Yield a first kernel's line, and as many others, none of which follows on the one before."""
    yield FIRST
    yield b"[    0.000000] MEMBLOCK configuration:\n"
    text = FORMS[form]
    for number in range(count):
        start = number << 14
        places = text.count(b"%")
        yield text % (start, start + 0xFFF)[:places]


@pytest.mark.parametrize("form", FORMS)
def test_what_is_kept_of_a_log_has_a_limit(form, monkeypatch):
    monkeypatch.setattr(reader_module, "KEPT_LIMIT", 3000)
    with pytest.raises(TraceError, match=r"^bomb: more than 3,000 facts of \d+ boots"):
        read_boot_log_lines(lines(form, 9000), "bomb")


def test_what_is_passed_over_or_folded_has_none(monkeypatch):
    monkeypatch.setattr(reader_module, "KEPT_LIMIT", 3000)
    folded = FORMS["runs"].replace(b"%012x", b"%x")
    text = [folded % (page << 12, (page << 12) + 0xFFF) for page in range(9000)]
    trace = read_boot_log_lines([FIRST, *text, *[b"[    0.000000] usb 1-1: new\n"] * 9000], "long")
    assert trace.provenance["lines"] == 18_001


PEAK = """
import sys
from contextlib import suppress
from kho_sim.base.errors import TraceError
from kho_sim.logs.reader import read_boot_log
with suppress(TraceError):
    read_boot_log(sys.argv[1])
# Not ru_maxrss: that begins with what the process that forked this one held.
print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))
"""
PEAK_MAX_KIB = 300 << 10


@pytest.mark.long
@pytest.mark.parametrize("form", [*FORMS, "passed over"])
def test_a_log_of_a_hundred_mib_takes_no_more_than_300_mib(form, tmp_path):
    path = tmp_path / "log"
    with path.open("wb") as file:
        if form == "passed over":
            file.writelines([FIRST, *[b"[    0.000000] usb 1-1: new device\n"] * (3 << 20)])
        else:
            file.writelines(lines(form, (100 << 20) // len(FORMS[form])))
    assert path.stat().st_size > 90 << 20
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < PEAK_MAX_KIB
