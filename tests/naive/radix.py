"""The radix tree one key and one table slot at a time: tables at addresses, as in the kernel."""

PAGE_SHIFTS = (12, 14, 16)


class NaiveTree:
    """Tables and leaves live in ``pages``: address -> {slot: child address}, or a set of bits.

    A table holds as many slots of 8 bytes as a page has room for, a leaf as many bits.
    """

    def __init__(self, allocate_page, free_page, page_shift=12):
        self.allocate_page, self.free_page = allocate_page, free_page
        self.key_bits = 65 - page_shift
        self.leaf_bits = 8 << page_shift
        self.slots = 1 << page_shift >> 3
        self.root_level, covered = 0, self.leaf_bits
        while covered < 1 << self.key_bits:
            self.root_level, covered = self.root_level + 1, covered * self.slots
        self.pages = {}
        self.root = self.new_page(level=self.root_level)

    def new_page(self, level):
        address = self.allocate_page()
        if address:
            self.pages[address] = {} if level else set()
        return address

    def add(self, key):
        if not self.root:
            return -22
        if key >= 2**self.key_bits:
            return -34
        made, undo, here = [], None, self.root
        for level in range(self.root_level, 0, -1):
            slot = self.slot_of(key, level)
            table = self.pages[here]
            if slot not in table:
                child = self.new_page(level - 1)
                if not child:
                    for address in made:
                        del self.pages[address]
                        self.free_page(address)
                    if undo:
                        del self.pages[undo[0]][undo[1]]
                    return -12
                table[slot] = child
                made.append(child)
                undo = undo or (here, slot)
            here = table[slot]
        self.pages[here].add(key % self.leaf_bits)
        return 0

    def slot_of(self, key, level):
        return key // (self.leaf_bits * self.slots ** (level - 1)) % self.slots

    def delete(self, key):
        here = self.root
        for level in range(self.root_level, 0, -1):
            here = self.pages[here].get(self.slot_of(key, level))
            if here is None:
                return
        self.pages[here].discard(key % self.leaf_bits)

    def visits(self):
        """Everything a walk visits, in order: ("node", address) and ("leaf", key)."""
        return self.visits_below(self.root, self.root_level, 0) if self.root else []

    def visits_below(self, address, level, prefix):
        found = [("node", address)]
        if level == 0:
            return found + [
                ("leaf", prefix * self.leaf_bits + bit) for bit in sorted(self.pages[address])
            ]
        for slot, child in sorted(self.pages[address].items()):
            found += self.visits_below(child, level - 1, prefix * self.slots + slot)
        return found

    def destroy(self):
        self.destroy_below(self.root, self.root_level)

    def destroy_below(self, address, level):
        if level:
            for _, child in sorted(self.pages[address].items()):
                self.destroy_below(child, level - 1)
        self.free_page(address)


class PageSource:
    """Hands out pages 1, 2, 3.. (as addresses), reuses none, and gives up after ``limit``."""

    def __init__(self, limit=10**9):
        self.given, self.freed, self.limit = 0, [], limit

    def allocate(self):
        if self.given == self.limit:
            return 0
        self.given += 1
        return self.given * 4096

    def free(self, address):
        self.freed.append(address)
