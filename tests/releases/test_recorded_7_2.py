"""Linux 7.2 as recorded: gigantic pages count in scratch, and lie inside it at KHO boots.

The logs are of a build whose sizes are not known here, so single steps are compared, which start
from what the log shows; the whole chain is compared in what does not follow from the build.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from kho_sim.logs.reader import read_boot_log
from kho_sim.verification import LogCheck, check_trace

RECORDED = Path(__file__).parent / "recorded"
GIB = 1 << 30


@cache
def checked(name: str) -> LogCheck:
    return check_trace(read_boot_log(RECORDED / f"{name}.log.xz"))


def test_two_gigantic_pages_make_nine_gib_of_scratch():
    """Kernel-facts-releases 2: 4,808 MiB and 4,804 MiB of 16 GiB."""
    check = checked("r72-huge2-16G")
    assert check.boots[0].steps["scratch_areas"].exact
    areas = check.boots[0].facts["scratch_areas"]
    assert areas.exact
    assert [size >> 20 for _, size in areas.predicted] == [180, 4808, 4804]


def test_gigantic_pages_of_kho_boots_lie_in_original_scratch():
    """Kernel-facts-releases 10: placed as any early allocation, all of them found."""
    check = checked("r72-huge2-16G")
    for boot in check.boots:
        assert boot.placements.compared == boot.placements.exact > 40
        pages = boot.facts["gigantic_pages_allocated"]
        assert (pages.predicted, pages.observed) == (2, 2)
    assert check.outcome.exact


def test_four_gigantic_pages_switch_kho_off():
    """Kernel-facts-releases 2: the area of node 0 finds no room in 16 GiB."""
    check = checked("r72-73-huge4-16G")
    failure = check.boots[0].steps["scratch_failure"]
    assert failure.exact
    assert failure.predicted == ("KHO: Failed to reserve nid 0 scratch buffer",)
    assert check.outcome.exact


def test_eight_gigantic_pages_halve_the_hash_tables():
    """Tables are sized by what gigantic pages have left: 8 MiB and 4 MiB in place of 16 and 8."""
    reserved = checked("r72-huge8-16G").boots[0].facts["kernel_reserved_bytes"]
    assert reserved.exact
    assert reserved.predicted == 9043133124
