"""``kho-sim``: finds the verb, runs it, and turns whatever happens into an exit code.

Starting up costs click and nothing else: a verb's module is imported when it is called, and imports
what it works with only when it works. Standard output has results and nothing else; all
messages go to standard error, never a traceback.
"""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from types import FrameType
from typing import NoReturn, TextIO

import click
from click.shell_completion import CompletionItem

from kho_sim._version import __version__
from kho_sim.base.errors import EngineError, InputError, ScenarioError
from kho_sim.base.program import COMPLETION_VARIABLE
from kho_sim.base.shortage import is_shortage, shortage_text
from kho_sim.cli.say import say

VERBS = {
    "check": (
        "kho_sim.cli.check",
        "Find every error of scenarios without running them.",
    ),
    "explain": (
        "kho_sim.cli.explain",
        "Show what is reserved, marked and preserved at each boot.",
    ),
    "run": ("kho_sim.cli.run", "Simulate a chain and print its report."),
    "sweep": ("kho_sim.cli.sweep", "Run all combinations of values; resumes what was begun."),
    "compare": ("kho_sim.cli.compare", "Compare two results, run by run."),
    "advise": ("kho_sim.cli.advise", "Find the smallest scratch and the best block shift."),
    "cost": ("kho_sim.cli.cost", "Say what KHO costs a host, and what to set."),
    "import": ("kho_sim.cli.import_machine", "Make a scenario of a real machine."),
    "examples": ("kho_sim.cli.examples", "List the scenarios of the package, or copy one."),
    "verify": ("kho_sim.cli.verify", "Simulate what real logs recorded, and compare."),
    "report": ("kho_sim.cli.report", "Report on a stored run or sweep, a scenario or a log."),
    "plot": ("kho_sim.cli.plot", "Draw figures of a run, a sweep, a log or a scenario."),
    "schema": ("kho_sim.cli.schema", "Print the JSON Schema of scenario files, or of documents."),
    "completion": ("kho_sim.cli.completion", "Let a shell complete verbs, options and names."),
    "man": ("kho_sim.cli.man", "Print or write manual pages of the verbs."),
}
"""Verb -> the module whose ``verb`` it is, and its line in the list of verbs, which is written here
only: so the list is printed without importing any."""

FINE, EXPECTATION_FAILED, USAGE, INPUT, PARTIAL, ENGINE = 0, 1, 2, 3, 4, 5
INTERRUPTED, TERMINATED = 130, 143

DEBUG_VARIABLE = "KHO_SIM_DEBUG"
"""Set it to see the traceback of an error that is a bug."""


class Verbs(click.Group):
    """The verbs, imported one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        command = import_module(VERBS[cmd_name][0]).verb
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the verbs without importing them, and the options of the group."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=line)
            for name, (_, line) in VERBS.items()
            if name.startswith(incomplete)
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])


class Terminated(BaseException):
    """SIGTERM came; files are put in order on the way out."""


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 fine; 1 an expectation failed; 2 wrong usage; 3 invalid input; 4 partial "
    "result; 5 engine or store unusable; 130, 143 interrupted. A chain that dies in simulation "
    "is a result, not an error.",
)
@click.version_option(__version__, prog_name="kho-sim")
def kho_sim() -> None:
    """Simulate chains of kexec'd Linux kernels that hand memory over with KHO."""


def run_process() -> NoReturn:
    """Run the command line of this process and exit with its code."""
    gc.set_threshold(20_000)  # a model makes many objects and few cycles: 15 % of a 12 TiB host
    signal.signal(signal.SIGTERM, _terminate)
    # A descriptor that the caller closed leaves None here.
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.stdout = _Unread(sys.stdout, BrokenPipeError)
    sys.stderr = _Unread(sys.stderr, OSError)
    if wanted := os.environ.get(COMPLETION_VARIABLE):
        from kho_sim.cli.completion import answer

        sys.exit(answer(kho_sim, wanted))
    code, error = _call(sys.argv[1:])
    if is_shortage(error):
        # Libraries that were loaded in part crash as they are taken down.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


class _Unread(io.TextIOWrapper):
    """A stream that its reader may leave: errors ``ignored`` end no work and change no code.

    Of results that is a reader that has gone, as ``| head``; of messages any error.
    """

    def __init__(self, stream: TextIO, ignored: type[OSError]) -> None:
        super().__init__(
            stream.buffer,
            encoding=stream.encoding,
            errors=stream.errors,
            line_buffering=stream.isatty() or ignored is OSError,
        )
        self._ignored = ignored
        self._stream = stream  # closes the buffer when it goes

    def write(self, text: str, /) -> int:
        with suppress(self._ignored):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(self._ignored, ValueError):
            super().flush()

    def close(self) -> None:
        with suppress(self._ignored, ValueError):
            super().close()


def call(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; messages are printed, nothing is raised."""
    return _call(arguments)[0]


def _call(arguments: Sequence[str]) -> tuple[int, BaseException | None]:
    """Return the exit code of a command line, and what ended it."""
    try:
        code = _invoke(list(arguments))
        sys.stdout.flush()
        return code, None
    except (KeyboardInterrupt, Terminated, Exception) as error:
        return _code_of(error), error


def _code_of(error: BaseException) -> int:
    """Say what ended a command, and return its exit code."""
    if is_shortage(error):
        _say(shortage_text())
        return ENGINE
    if isinstance(error, click.ClickException):
        error.show()
        return USAGE
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        _say("interrupted")
        return INTERRUPTED
    if isinstance(error, Terminated):
        _say("terminated")
        return TERMINATED
    if isinstance(error, ScenarioError):
        for problem in error.problems:
            say(str(problem))
        return INPUT
    if isinstance(error, (InputError, EngineError, OSError)):
        _say(str(error))
        return INPUT if isinstance(error, InputError) else ENGINE
    return _bug(error)


def _invoke(arguments: list[str]) -> int:
    try:
        with kho_sim.make_context("kho-sim", arguments) as context, _placed(context):
            return int(kho_sim.invoke(context) or FINE)
    except click.exceptions.Exit as end:
        return end.exit_code


@contextmanager
def _placed(context: click.Context) -> Iterator[None]:
    """Give the problems that only the building of a chain finds their places in the file."""
    try:
        yield
    except ScenarioError as error:
        from kho_sim.cli.options import SCENARIO_SOURCE
        from kho_sim.scenario.loader import with_places

        source = context.meta.get(SCENARIO_SOURCE)
        raise ScenarioError(with_places(error.problems, *source)) if source else error


def _say(message: str) -> None:
    say(f"kho-sim: {message}")


def _bug(error: BaseException) -> int:
    """Say that kho_sim is wrong, in one line unless the user asked for more."""
    if os.environ.get(DEBUG_VARIABLE):
        import traceback

        traceback.print_exception(error)
    what = " ".join(str(error).split()) or "no message"
    _say(f"a bug in kho_sim: {type(error).__name__}: {what} ({DEBUG_VARIABLE}=1 shows more)")
    return ENGINE


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated
