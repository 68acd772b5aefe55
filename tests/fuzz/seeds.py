"""What fuzzing starts from: right inputs, to be damaged."""

from __future__ import annotations

import gzip
import json
import lzma
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent.parent
RECORDED = TESTS / "recorded"
SMALL_LOGS = ("t3", "tiny-8G-8M_16M_16M", "tinyext-8G-4M_8M_8M", "machine-1G", "b-numa2-16G")

COMMAND_LINES = (
    "kho=on kho_scratch=64M,256M,128M log_buf_len=16M hugepagesz=1G hugepages=0:4,1:4",
    "kho_scratch=200% default_hugepagesz=2M hugepages=512 hugepagesz=1G hugepages=8 mem=4G",
    'dyndbg="file kexec.c +p" reserve_mem=1M:4096:log crashkernel=256M,high swiotlb=65536,force',
    "hugetlb_cma=0:1G,1:10% nr_cpus=0x4 maxcpus=2 memblock=debug nokaslr -- init words",
)
IOMEM = """\
00000000-00000fff : Reserved
00001000-0009fbff : System RAM
00100000-bffdffff : System RAM
  01000000-02bfffff : Kernel code
  02c00000-03bfffff : Kernel rodata
  03c00000-03ffffff : Kernel data
  04600000-04ffffff : Kernel bss
100000000-23fffffff : System RAM
"""
ZONEINFO = """\
Node 0, zone      DMA
        spanned  4095
        present  3998
    pagesets
    cpu: 0
              count: 0
  start_pfn:           1
Node 1, zone   Normal
        spanned  1048576
        present  1048576
    cpu: 1
  start_pfn:           1048576
"""
MEMBLOCK = """\
   0: 0x0000000000001000..0x000000000009efff    0 NONE
   1: 0x0000000000100000..0x00000000bffdffff    0 NONE
   2: 0x0000000100000000..0x000000023fffffff    1 NONE
"""
LSMEM = json.dumps(
    {
        "memory": [
            {
                "range": "0x0000000000000000-0x00000000bfffffff",
                "size": 3221225472,
                "state": "online",
                "removable": "yes",
                "block": "0-23",
                "node": 0,
            },
            {
                "range": "0x0000000100000000-0x000000023fffffff",
                "size": 5368709120,
                "state": "online",
                "removable": "yes",
                "block": "32-71",
                "node": 1,
            },
        ]
    }
)


@cache
def log_text(name: str) -> bytes:
    """The text of a recorded log."""
    return lzma.decompress((RECORDED / f"{name}.log.xz").read_bytes())


@cache
def seeds(target: str) -> tuple[bytes, ...]:
    """Inputs that a target accepts, or, of scenarios, answers with one problem."""
    if target == "scenario":
        files = [*TESTS.glob("scenario/valid/*.yaml"), *TESTS.glob("scenario/invalid/*.yaml")]
        return tuple(file.read_bytes() for file in sorted(files))
    if target == "command-line":
        return tuple(line.encode() for line in COMMAND_LINES)
    # The first lines of a log have the memory map; the end is where it was cut.
    logs = [log_text(name)[:60_000] for name in SMALL_LOGS]
    if target == "log":
        return (*logs, gzip.compress(logs[0], mtime=0), lzma.compress(logs[1]))
    tables = (IOMEM, ZONEINFO, MEMBLOCK, LSMEM, "0x1000000\n0x4000000\n0x2000000\n")
    return (*(table.encode() for table in tables), *logs)
