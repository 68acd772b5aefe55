"""A study of bad memory across a chain: frames that one kernel knows and the next hands out."""
