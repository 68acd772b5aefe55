"""What KHO adds to memory: the tree, scratch, its extension, preserved objects, the hand-over."""
