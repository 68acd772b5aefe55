"""Sizes that a build of the kernel fixes."""
