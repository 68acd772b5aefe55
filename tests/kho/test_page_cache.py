"""What the kernel takes beside the pages of a file, and what it gives back."""

import pytest

from kho_sim.kho.preserve.page_cache import forget_file, write_file
from kho_sim.memory.pages import OutOfMemory
from tests.kho.machines import allocator


def user_pages(pages):
    return sum(sum(zone.buddy.user_pages._pages) for zone in pages._zones)


@pytest.mark.parametrize(
    ("written", "index_pages", "page_tables"),
    [(1, 1, 0), (448, 1, 0), (449, 2, 0), (511, 2, 0), (512, 2, 1), (1023, 3, 1), (1344, 3, 2)],
)
def test_a_page_of_index_nodes_for_448_pages_and_a_page_table_for_512(
    written, index_pages, page_tables
):
    pages = allocator()
    data, index = write_file(pages, written, huge_folios=False)
    assert sum(folios.pages for folios in data) == user_pages(pages) == written
    assert sum(run.blocks for run in index) == index_pages + page_tables
    forget_file(pages, data, index)
    assert user_pages(pages) == 0


def test_a_file_that_does_not_fit_is_refused_whole():
    pages = allocator()
    with pytest.raises(OutOfMemory, match="order 0, 0 of 5000 blocks"):
        write_file(pages, 5000, huge_folios=False)
    assert user_pages(pages) == 0
    write_file(pages, 3500, huge_folios=False)


def test_huge_folios_as_long_as_there_are_any():
    pages = allocator()
    data, _ = write_file(pages, 3500, huge_folios=True)
    assert {folios.order for folios in data} == {0, 9}
    assert sum(folios.pages for folios in data) == user_pages(pages) == 3500
