"""What is fuzzed: each target takes any bytes, and returns or refuses them as the package promises.

A target fails by any other exception. ``test_fuzz.py`` drives them with hypothesis,
``atheris_targets.py`` with atheris.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from kho_sim.base.command_line import parse_command_line
from kho_sim.base.errors import InputError, ScenarioError
from kho_sim.logs.importing import import_files, scenario_text
from kho_sim.logs.reader import read_boot_log
from kho_sim.scenario import from_dict, load, loads
from kho_sim.trace.summary import run_document

SOURCE_BYTES = 1 << 20
"""No target gets more: what is bounded by size has tests of its own."""

FILLED_IN_BYTES = 10_000


def in_words(*messages: str) -> None:
    """Hold a refusal to what the command line prints: at least a message, a line each."""
    assert messages
    assert all(message and len(message.splitlines()) == 1 for message in messages)


def scenario_file(data: bytes) -> None:
    """A scenario file is a scenario that writes itself back, or problems of one line each."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fuzzed.yaml"
        path.write_bytes(data)
        try:
            scenario = load(path)
        except ScenarioError as error:
            in_words(*map(str, error.problems))
            return
    # What is resolved has more values than what was written, and a file may have so many only.
    if len(data) < FILLED_IN_BYTES:
        assert from_dict(scenario.to_dict()) == loads(scenario.to_yaml())


def kernel_command_line(data: bytes) -> None:
    """A kernel's command line is never an error, and means the same when it is read again."""
    text = data.decode(errors="surrogateescape")
    line = parse_command_line(text)
    assert line == parse_command_line(text)
    for nodes in (1, 64):
        assert all(request.count > 0 for request in line.hugepages(nodes))
        assert all(isinstance(message, str) for message in line.hugepage_messages(nodes))


def boot_log(data: bytes) -> None:
    """A log is a trace that can be printed, or is refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fuzzed.log"
        path.write_bytes(data)
        try:
            trace = read_boot_log(path)
        except InputError as error:
            in_words(str(error))
            return
    assert trace.digest
    assert run_document(trace)["boots"] is not None


def imported_file(data: bytes) -> None:
    """A file of a machine becomes a scenario that reads back, or is refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scratch_len"
        path.write_bytes(data)
        try:
            imported = import_files([str(path)])
            scenario = from_dict(imported.scenario)
        except InputError as error:
            in_words(*str(error).splitlines())
            return
        assert loads(scenario_text(imported)) == scenario


TARGETS: dict[str, Callable[[bytes], None]] = {
    "scenario": scenario_file,
    "command-line": kernel_command_line,
    "log": boot_log,
    "import": imported_file,
}
