"""Early requests as rows: runs of equal ones read like single ones."""

from __future__ import annotations

import pytest

from kho_sim.base.extent import Extent
from kho_sim.memory.early import Request, RequestRows, Requests
from kho_sim.memory.memblock import NO_NODE, Memblock

PAGE = 4096
WHERE = {"nid": NO_NODE, "low": 0, "high": 0}


def row(address: int, what: str = "table") -> Request:
    return Request(phase="before", what=what, size_bytes=PAGE, align_bytes=PAGE, address=address)


def test_a_run_reads_like_its_requests():
    rows, plain = RequestRows(), []
    rows.append(row(9 * PAGE, "pool"))
    rows.append_run(row(8 * PAGE), 3)
    rows.append(row(0, "refused"))
    rows.append_run(row(2 * PAGE), 2)
    plain = [
        row(9 * PAGE, "pool"), row(8 * PAGE), row(7 * PAGE), row(6 * PAGE), row(0, "refused"),
        row(2 * PAGE), row(PAGE),
    ]  # fmt: skip
    assert rows == plain
    assert len(rows) == len(plain)
    assert list(rows.addresses()) == [one.address for one in plain]
    assert [rows[0], rows[-1], rows[2], rows[4:]] == [plain[0], plain[-1], plain[2], plain[4:]]
    assert rows != plain[:-1]
    rows.append(row(PAGE, "last"))
    assert rows[-1].what == list(rows)[-1].what == "last"
    assert rows[-1] is rows[-1]


@pytest.mark.parametrize("flagged", [(10, 40), (10, 20), (30, 40), (0, 64)])
def test_each_request_of_a_run_has_the_source_that_it_would_have_alone(flagged):
    """Original scratch inside of memory that was flagged later: one free range, two sources."""
    sides = []
    for single in (False, True):
        memblock = Memblock()
        memblock.add(0, 64 * PAGE)
        memblock.mark_kho_scratch(flagged[0] * PAGE, (flagged[1] - flagged[0]) * PAGE)
        memblock.original_scratch = (
            Extent(4 * PAGE, 9 * PAGE), Extent(15 * PAGE, 18 * PAGE), Extent(33 * PAGE, 36 * PAGE),
        )  # fmt: skip
        memblock.scratch_only = True
        requests = Requests(memblock, phase="after")
        for _ in range(50) if single else [0]:
            requests.alloc_run("table", PAGE, PAGE, 1 if single else 50, **WHERE)
        sides.append([one for one in requests.rows if one.address])
    assert sides[0] == sides[1]
    assert {one.source for one in sides[0]} == {"scratch", "extended"}
