"""``kho-sim completion``: the script with which a shell completes verbs, options and names.

The script asks ``kho-sim`` itself at each tab (``answer``), so it stays right when verbs change.
Left out: shells other than bash, zsh and fish.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click
from click.shell_completion import BashComplete, get_completion_class, shell_complete

from kho_sim.base.program import COMPLETION_VARIABLE, PROGRAM
from kho_sim.cli.options import write_text

SHELLS = ("bash", "zsh", "fish")

_NO_BLANK_AFTER_A_KEY = "    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n    return 0\n"


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@click.option("--install", is_flag=True, help="Write it to where the shell looks for it.")
def verb(shell: str | None, install: bool) -> int:
    """Print the script for SHELL (by default that of $SHELL), or install it for this user.

    An installed script is used by the next shell that is opened. To try it in this one:
    eval "$(kho-sim completion)", or in fish: kho-sim completion fish | source.
    """
    shell = shell or Path(os.environ.get("SHELL", "")).name
    if shell not in SHELLS:
        raise click.UsageError(f"'{shell}' has no script; name one of {', '.join(SHELLS)}.")
    text = script(shell, click.get_current_context().find_root().command)
    if not install:
        click.echo(text)
        return 0
    path = place_of(shell, os.environ, Path.home())
    write_text(path, text)
    click.echo(_afterwards(shell, path), err=True)
    return 0


def script(shell: str, program: click.Command) -> str:
    """Return the script of one of ``SHELLS`` for a program."""
    kind = get_completion_class(shell)
    assert kind is not None
    template = kind.source_template
    if issubclass(kind, BashComplete):
        template = template.replace("    return 0\n", _NO_BLANK_AFTER_A_KEY)
    return (template % kind(program, {}, PROGRAM, COMPLETION_VARIABLE).source_vars()).rstrip("\n")


def place_of(shell: str, environment: Mapping[str, str], home: Path) -> Path:
    """Return the file that a shell reads for this user, by the XDG rules."""
    data = Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")
    settings = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    of_bash = Path(environment.get("BASH_COMPLETION_USER_DIR") or data / "bash-completion")
    return {
        "bash": of_bash / "completions" / PROGRAM,
        "zsh": data / "zsh" / "site-functions" / f"_{PROGRAM}",
        "fish": settings / "fish" / "completions" / f"{PROGRAM}.fish",
    }[shell]


def answer(program: click.Command, instruction: str) -> int:
    """Print what a shell's script asks for by ``COMPLETION_VARIABLE``; return the exit code."""
    return shell_complete(program, {}, PROGRAM, COMPLETION_VARIABLE, instruction)


def _afterwards(shell: str, path: Path) -> str:
    """Return what is left to do by hand."""
    return {
        "bash": "A new shell completes, if bash-completion is installed; if it is not, add to "
        f"~/.bashrc: source '{path}'",
        "zsh": "A new shell completes, if ~/.zshrc has, before compinit: "
        f"fpath=('{path.parent}' $fpath)",
        "fish": "A new shell completes.",
    }[shell]
