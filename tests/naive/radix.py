"""The radix tree one key and one table slot at a time: tables at addresses, as in the kernel."""

SLOTS = 512
LEAF_BITS = 32768


class NaiveTree:
    """Tables and leaves live in ``pages``: address -> {slot: child address}, or a set of bits."""

    def __init__(self, allocate_page, free_page):
        self.allocate_page, self.free_page = allocate_page, free_page
        self.pages = {}
        self.root = self.new_page(level=5)

    def new_page(self, level):
        address = self.allocate_page()
        if address:
            self.pages[address] = {} if level else set()
        return address

    def add(self, key):
        if not self.root:
            return -22
        if key >= 2**53:
            return -34
        made, undo, here = [], None, self.root
        for level in range(5, 0, -1):
            slot = (key >> (15 + 9 * (level - 1))) % SLOTS
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
        self.pages[here].add(key % LEAF_BITS)
        return 0

    def delete(self, key):
        here = self.root
        for level in range(5, 0, -1):
            here = self.pages[here].get((key >> (15 + 9 * (level - 1))) % SLOTS)
            if here is None:
                return
        self.pages[here].discard(key % LEAF_BITS)

    def visits(self):
        """Everything a walk visits, in order: ("node", address) and ("leaf", key)."""
        return self.visits_below(self.root, 5, 0) if self.root else []

    def visits_below(self, address, level, prefix):
        found = [("node", address)]
        if level == 0:
            return found + [
                ("leaf", prefix * LEAF_BITS + bit) for bit in sorted(self.pages[address])
            ]
        for slot, child in sorted(self.pages[address].items()):
            found += self.visits_below(child, level - 1, prefix * SLOTS + slot)
        return found

    def destroy(self):
        self.destroy_below(self.root, 5)

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
