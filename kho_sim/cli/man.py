"""``kho-sim man``: manual pages, built from the commands.

One page per verb and one for all of them, in the macros of man(7). They say what ``--help`` says.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from kho_sim._version import __version__
from kho_sim.base.program import PROGRAM
from kho_sim.cli.completing import folders, verbs
from kho_sim.cli.options import write_text

LONGEST_LINE = 300
"""Letters of the line that says what a page is about."""


@click.command("man")
@click.argument("name", metavar="[VERB]", required=False, shell_complete=verbs)
@click.option(
    "-o",
    "--out",
    metavar="DIR",
    shell_complete=folders,
    help="Write all pages there, as kho-sim*.1.",
)
def verb(name: str | None, out: str | None) -> int:
    """Show the manual page of VERB, or of kho-sim itself; print its source if that goes to a file.

    With -o ~/.local/share/man/man1 the pages are installed for this user: man kho-sim-run.
    """
    program = click.get_current_context().find_root().command
    assert isinstance(program, click.Group)
    found = pages(program)
    title = f"{PROGRAM}-{name}" if name else PROGRAM
    if out is not None:
        if name is not None:
            raise click.UsageError("All pages go to a folder: leave the verb out, or -o.")
        for one, text in found.items():
            write_text(Path(out) / f"{one}.1", text)
    elif title in found:
        _show(found[title])
    else:
        known = ", ".join(one.removeprefix(f"{PROGRAM}-") for one in found if one != PROGRAM)
        raise click.UsageError(f"'{name}' is no verb; accepted: {known}.")
    return 0


def _show(page: str) -> None:
    """Show a page as man does, at a terminal that has man, or print its source."""
    viewer = shutil.which("man") if sys.stdout.isatty() else None
    if viewer:
        subprocess.run([viewer, "-l", "-"], input=page.encode(), check=False)
    else:
        click.echo(page)


def pages(program: click.Group) -> dict[str, str]:
    """Return every page by its title, in roff."""
    whole = click.Context(program, info_name=PROGRAM)
    inner = [
        click.Context(command, info_name=name, parent=whole)
        for name in program.list_commands(whole)
        if (command := program.get_command(whole, name))
    ]
    codes = program.epilog or ""
    texts = {_title(context): [*_page(context, codes), *_see_also()] for context in inner}
    texts = {PROGRAM: [*_page(whole, codes), *_list(inner)], **texts}
    return {title: "\n".join(lines) for title, lines in texts.items()}


def _page(context: click.Context, exit_codes: str) -> Iterator[str]:
    command, title = context.command, _title(context)
    yield f'.TH "{title.upper()}" 1 "" "{PROGRAM} {__version__}" "User Commands"'
    yield ".SH NAME"
    yield f"{_roff(title)} \\- {_roff(_line(command))}"
    yield ".SH SYNOPSIS"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"\\fB{_roff(context.command_path)}\\fR {_roff(usage)}"
    yield ".SH DESCRIPTION"
    for number, paragraph in enumerate((command.help or "").split("\n\n")):
        yield from [".PP"] * bool(number)
        yield _roff(" ".join(paragraph.split()))
    yield ".SH OPTIONS"
    for option in command.get_params(context):
        names, meaning = option.get_help_record(context) or ("", "")
        if meaning:
            yield from (".TP", f"\\fB{_roff(names)}\\fR", _roff(meaning))
    yield ".SH EXIT STATUS"
    yield _roff(exit_codes.removeprefix("Exit codes: "))


def _list(verbs_in_order: list[click.Context]) -> Iterator[str]:
    yield ".SH COMMANDS"
    for context in verbs_in_order:
        yield from (".TP", f"\\fB{_roff(_title(context))}\\fR(1)", _roff(_line(context.command)))


def _see_also() -> Iterator[str]:
    yield ".SH SEE ALSO"
    yield f"\\fB{_roff(PROGRAM)}\\fR(1)"


def _title(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def _line(command: click.Command) -> str:
    """Return what a command does, as the line of a manual page: it begins small, without a dot."""
    line = command.get_short_help_str(LONGEST_LINE).rstrip(".")
    return line[:1].lower() + line[1:]


def _roff(text: str) -> str:
    """Return text whose backslashes, hyphens and first letters roff leaves alone."""
    plain = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{plain}" if plain[:1] in (".", "'") else plain
