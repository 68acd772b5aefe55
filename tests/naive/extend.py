"""The block extension on sets of pages: which pages of memory are scratch afterwards."""


def pages_in(memblock, flag=0):
    """Pages of memory that has the flag."""
    size = memblock.geometry.page_bytes
    return {
        page
        for region in memblock.memory
        if region.flags & flag == flag
        for page in range(region.base // size, region.end // size)
    }


def busy_blocks(preserved_pages, table_pages, shift, page_bytes):
    """Start addresses of the blocks that hold a page which must not be touched."""
    used = preserved_pages | {address // page_bytes for address in table_pages}
    return sorted({page * page_bytes >> shift << shift for page in used})


def scratch_after(memory_pages, scratch_pages, busy, shift, page_bytes):
    """Old scratch, and every page of memory whose block is not busy."""
    blocks = set(busy)
    return scratch_pages | {
        page for page in memory_pages if page * page_bytes >> shift << shift not in blocks
    }
