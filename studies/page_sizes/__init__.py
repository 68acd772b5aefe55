"""Block sizes on arm64: pages of 4, 16 and 64 KiB, and gigantic pages of two sizes."""
