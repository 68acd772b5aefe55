"""memblock as sets of pages: slow, obvious, and written without looking at the model.

Every page of a small machine is a key of a dict. A free range is a longest run of neighbouring
pages that are memory, not reserved, and of equal node and flags (the kernel never merges across
those).
"""

SCRATCH, NOMAP, DRIVER = 0x40, 0x04, 0x08


class NaiveMemblock:
    def __init__(self, page_bytes=4096):
        self.page_bytes = page_bytes
        self.memory = {}  # page -> (nid, flags)
        self.reserved = {}
        self.scratch_only = False

    def pages(self, base, size):
        return range(base // self.page_bytes, (base + size) // self.page_bytes)

    def add(self, base, size, nid, flags):
        for page in self.pages(base, size):
            self.memory.setdefault(page, (nid, flags))

    def remove(self, base, size):
        for page in self.pages(base, size):
            self.memory.pop(page, None)

    def reserve(self, base, size, nid, flags):
        for page in self.pages(base, size):
            self.reserved.setdefault(page, (nid, flags))

    def free(self, base, size):
        for page in self.pages(base, size):
            self.reserved.pop(page, None)

    def flag(self, base, size, flag, on):
        for page in self.pages(base, size):
            if page in self.memory:
                nid, flags = self.memory[page]
                self.memory[page] = (nid, flags | flag if on else flags & ~flag)

    def set_node(self, base, size, nid):
        for page in self.pages(base, size):
            if page in self.memory:
                self.memory[page] = (nid, self.memory[page][1])

    def regions(self, array):
        """Longest runs of neighbouring pages with equal node and flags, as (base, size, nid,
        flags)."""
        runs = []
        for page in sorted(array):
            if runs and runs[-1][1] == page and array[runs[-1][0]] == array[page]:
                runs[-1][1] = page + 1
            else:
                runs.append([page, page + 1])
        size = self.page_bytes
        return [(a * size, (b - a) * size, *array[a]) for a, b in runs]

    def alloc(self, size, align, start, end, nid, exact):
        """Try the highest page-aligned address first; return the first at which all pages
        will do."""
        for wanted in [nid] if nid < 0 or exact else [nid, -1]:
            address = self._highest(size, align, max(start, self.page_bytes), end, wanted)
            if address:
                self.reserve(address, size, wanted, 0x20)
                return address
        return 0

    def _highest(self, size, align, start, end, nid):
        for base, length, region_nid, flags in reversed(self.regions(self.memory)):
            if (nid >= 0 and region_nid != nid) or flags & (NOMAP | DRIVER):
                continue
            if self.scratch_only and not flags & SCRATCH:
                continue
            for address in range(base + length - size, base - 1, -self.page_bytes):
                inside = start <= address and address + size <= end and address % align == 0
                if inside and not any(p in self.reserved for p in self.pages(address, size)):
                    return address
        return 0
