"""How many struct pages are initialised early, and by whom."""

from kho_sim.memory.early.struct_pages import struct_pages
from kho_sim.memory.memblock import RSRV_NOINIT, Memblock
from tests.geometries import ZONES

MIB, GIB = 1 << 20, 1 << 30
KEPT = [(300 * MIB, 301 * MIB), (600 * MIB, 601 * MIB), (GIB - MIB, GIB + MIB)]


def memory():
    memblock = Memblock()
    memblock.add(MIB, 2 * GIB, 0)
    memblock.reserve(700 * MIB, 3 * MIB)
    return memblock


def test_what_is_skipped_counts_as_what_is_reserved_without_struct_pages():
    """The retrieval initialises both."""
    reserved = memory()
    for start, end in KEPT:
        reserved.reserve(start, end - start, flags=RSRV_NOINIT)
    assert struct_pages(memory(), ZONES, KEPT) == struct_pages(reserved, ZONES)


def test_what_is_reserved_plainly_is_initialised_early():
    plain, none = memory(), memory()
    for start, end in KEPT:
        plain.reserve(start, end - start)
    kept_pages = sum(end - start for start, end in KEPT) // 4096
    late_pages = struct_pages(none, ZONES).deferred[0] - struct_pages(plain, ZONES).deferred[0]
    early_pages = struct_pages(plain, ZONES).early - struct_pages(none, ZONES).early
    assert 0 < late_pages == early_pages <= kept_pages
