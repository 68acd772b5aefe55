"""Break modules in every small way, one at a time, and tell which mistakes no test notices.

`python -m tests.mutation [ROOM ...] [--sample N] [--seed S]` runs mutmut for each room of
`rooms.py` (all without a name). Survivors that were looked at are in `explained.yaml`, each with
the reason why no test should notice; any other survivor is printed as a diff and makes the exit
code 1, and so does an explanation that no mutant needs any more. `--sample N` tries N mutants of
each room, drawn by the seed: what `make test-long` has time for. A sample says whether the tests of
a room are strong, not that each mutant is explained: its exit code is 1 if more than a fifth of it
survived unexplained. `--match PATTERN` tries those whose names match, as `kho_sim.kho.key.*`.
Changes are told apart by their text, so two equal lines of one function share an explanation.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import yaml
from mutmut import __main__ as mutmut
from mutmut.configuration import config
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files
from mutmut.utils.format_utils import orig_function_and_class_names_from_key

from tests.mutation.rooms import ROOMS

NOTICED = {"killed", "timeout", "segfault"}
SURVIVORS_MAX_SHARE = 0.2
"""Of a sample, without an explanation. Whole rooms left 0 to 13 % when they were last looked at."""
EXPLAINED = Path(__file__).with_name("explained.yaml")


def main() -> int:
    arguments = _arguments()
    if len(arguments.rooms) == 1:
        return _run_room(arguments.rooms[0], arguments)
    options = [word for word in sys.argv[1:] if word not in arguments.rooms]
    codes = [  # a process for each room, as a module can be loaded with its mutants only once
        subprocess.call([sys.executable, "-m", "tests.mutation", name, *options])
        for name in arguments.rooms or ROOMS
    ]
    return max(codes)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("rooms", nargs="*", choices=[*ROOMS, []], metavar="ROOM")
    parser.add_argument("--sample", type=int, metavar="N", help="try N mutants of each room")
    parser.add_argument("--seed", type=int, default=0, help="which ones (default 0)")
    parser.add_argument("--match", metavar="PATTERN", help="try mutants whose names match")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    return parser.parse_args()


def _run_room(name: str, arguments: argparse.Namespace) -> int:
    """Mutate one room, run its tests, and print a table of its modules and what is unexplained."""
    room = ROOMS[name]
    config().only_mutate = [f"kho_sim/{module}" for module in room.modules]
    config().pytest_add_cli_args_test_selection = list(room.tests)
    shutil.rmtree("mutants", ignore_errors=True)
    chosen = [arguments.match] if arguments.match else []
    if arguments.sample:
        chosen = _draw(arguments.sample, arguments.seed)
    try:
        with contextlib.nullcontext() if sys.stdout.isatty() else _nothing_printed():
            mutmut._run(chosen, arguments.jobs)
    except SystemExit:
        print(f"{name}: mutmut gave up before the first mutant; in a terminal it says why")
        return 2
    outcomes = {name: status for name, status in _outcomes().items() if status != "not checked"}
    share = SURVIVORS_MAX_SHARE if arguments.sample else 0.0
    return _report(name, outcomes, share, complete=not chosen)


@contextlib.contextmanager
def _nothing_printed() -> Iterator[None]:
    """Keep mutmut's moving line of progress out of files; it goes round `sys.stdout`."""
    sys.stdout.flush()
    printed = os.dup(1)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(printed, 1)
        os.close(printed)


def _draw(sample: int, seed: int) -> list[str]:
    with mutmut.CatchOutput():
        Path("mutants").mkdir(exist_ok=True)
        mutmut.copy_src_dir()
        mutmut.create_mutants(1)
    names = sorted(_outcomes())
    return sorted(random.Random(seed).sample(names, min(sample, len(names))))


def _outcomes() -> dict[str, str]:
    """Each mutant's name and what became of it, in mutmut's words."""
    outcomes = {}
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        outcomes |= {key: status_by_exit_code[code] for key, code in data.exit_code_by_key.items()}
    return outcomes


def _report(name: str, outcomes: dict[str, str], share: float, *, complete: bool) -> int:
    per_module: dict[str, Counter[bool]] = defaultdict(Counter)
    for mutant, status in outcomes.items():
        per_module[_module(mutant)][status in NOTICED] += 1
    print(f"{name}: module, mutants, noticed, survived")
    for module, counts in sorted(per_module.items()):
        print(f"  {module}: {counts.total()}, {counts[True]}, {counts[False]}")

    survivors = {_change(key): key for key, status in outcomes.items() if status not in NOTICED}
    explained, gone = _explained(name, survivors)
    unexplained = survivors.keys() - explained
    for change in sorted(unexplained):
        print(f"\n{outcomes[survivors[change]]}, not explained: {survivors[change]}\n- {change!r}")
    for change in sorted(gone) if complete else []:
        print(f"\nexplained, but there is no such survivor:\n- {change!r}")
    return 1 if len(unexplained) > share * len(outcomes) or (gone and complete) else 0


def _explained(room: str, survivors: dict[str, str]) -> tuple[set[str], set[str]]:
    """Return which changes have a reason, and which explained ones are no survivors any more."""
    document = yaml.safe_load(EXPLAINED.read_text())
    patterns = [re.compile(group["pattern"]) for group in document["everywhere"]]
    named = {change for group in document.get(room, ()) for change in group["mutants"]}
    matched = {change for change in survivors if any(p.search(change) for p in patterns)}
    return matched | named, named - survivors.keys()


def _module(mutant: str) -> str:
    return mutant.partition(".x_")[0].partition(".xǁ")[0]


def _change(mutant: str) -> str:
    """Name a mutant by what it does: "module function: - line + line", whatever its number."""
    function, owner = orig_function_and_class_names_from_key(mutant)
    lines = get_diff_for_mutant(mutant).split("\n")[2:]
    changed = [f"{line[0]} {line[1:].strip()}" for line in lines if line[0:1] in ("-", "+")]
    return f"{_module(mutant)} {owner + '.' if owner else ''}{function}: " + " ".join(changed)


if __name__ == "__main__":
    sys.exit(main())
