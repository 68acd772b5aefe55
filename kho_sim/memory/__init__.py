"""What any kernel does with physical memory: memblock, early boot, gigantic pages, page
allocator."""
