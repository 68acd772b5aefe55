"""The block extension on sets of pages: which pages of memory are scratch afterwards."""

PAGE = 4096


def pages_of(start, size):
    return set(range(start // PAGE, (start + size) // PAGE))


def pages_in(regions, flag=0):
    """Pages of the regions that have the flag."""
    return {
        page
        for region in regions
        if region.flags & flag == flag
        for page in pages_of(region.base, region.size)
    }


def busy_blocks(preserved_pages, table_pages, shift):
    """Start addresses of the blocks that hold a page which must not be touched."""
    used = preserved_pages | {address // PAGE for address in table_pages}
    return sorted({page * PAGE >> shift << shift for page in used})


def scratch_after(memory_pages, scratch_pages, busy, shift):
    """Old scratch, and every page of memory whose block is not busy."""
    blocks = set(busy)
    return scratch_pages | {
        page for page in memory_pages if page * PAGE >> shift << shift not in blocks
    }
