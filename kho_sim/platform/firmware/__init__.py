"""The memory maps that firmware gives, one module for each kind of firmware."""
