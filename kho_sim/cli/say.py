"""Lines for a reader: on a terminal no word is broken and no line is wider than it.

What is no terminal gets every line as it is, for scripts and editors. Left out: commands to copy,
which stay in one line.
"""

from __future__ import annotations

import sys

import click

from kho_sim.layout import at_terminal


def say(message: str) -> None:
    """Print a message to standard error."""
    click.echo(at_terminal(message, sys.stderr), err=True)


def show(text: str) -> None:
    """Print a result, without colours of its own, to standard output."""
    click.echo(at_terminal(text, sys.stdout))
