"""Runs stored in a folder."""
