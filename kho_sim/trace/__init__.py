"""Records of a chain: the same from a simulation and from a real kernel's boot log."""
