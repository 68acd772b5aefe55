"""A user's script is checked against the package's own types (``py.typed``)."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest
from mypy import api

import kho_sim as ks

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("user_script.py")
MISTAKES = {
    "trace.digest": ("trace.bots", 'has no attribute "bots"'),
    "seed=7": ('seed="seven"', 'Argument "seed" to "run_scenario" has incompatible type'),
    "ks.load(": ("ks.lood(", 'Module has no attribute "lood"'),
    "swept.counts()": ("swept.count()", 'has no attribute "count"'),
    'ks.open("runs/shift")': ("ks.open()", "Missing positional argument"),
    "outcome.kind": ("outcome.boot", "Incompatible types in assignment"),
}
"""A piece of the script -> what a user may write in its place by mistake, and what mypy says."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The errors of the script ('') and of each copy with a mistake, from one run of mypy."""
    folder = tmp_path_factory.mktemp("scripts")
    text = SCRIPT.read_text()
    copies = {"": folder / "right.py"}
    copies[""].write_text(text)
    for number, (right, (wrong, _)) in enumerate(MISTAKES.items()):
        assert right in text
        copies[right] = folder / f"wrong_{number}.py"
        copies[right].write_text(text.replace(right, wrong, 1))
    options = ["--config-file=", "--strict", "--ignore-missing-imports", "--python-version=3.11"]
    # The cache of `make lint` knows the package already.
    options.append(f"--cache-dir={ROOT / '.mypy_cache'}")
    before = os.environ.get("MYPYPATH")
    os.environ["MYPYPATH"] = str(ROOT)
    try:
        out, err, _ = api.run([*options, *map(str, copies.values())])
    finally:
        if before is None:
            del os.environ["MYPYPATH"]
        else:
            os.environ["MYPYPATH"] = before
    assert not err
    lines = out.splitlines()
    return {
        name: [line for line in lines if path.name in line and ": error: " in line]
        for name, path in copies.items()
    }


def test_the_script_of_a_user_has_no_error(found: dict[str, list[str]]) -> None:
    assert found[""] == []


@pytest.mark.parametrize("right", MISTAKES)
def test_a_mistake_of_a_user_is_an_error(right: str, found: dict[str, list[str]]) -> None:
    (line,) = found[right]
    assert MISTAKES[right][1] in line


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(ks.__file__).parent / "py.typed").exists()


@pytest.mark.parametrize("package", ["", "scenario", "sweeps"])
def test_names_that_are_resolved_lazily_are_those_that_type_checkers_see(package: str) -> None:
    tree = ast.parse((Path(ks.__file__).parent / package / "__init__.py").read_text())
    imported, lazy, public = set(), set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            imported = {
                name.asname or name.name
                for line in node.body
                if isinstance(line, ast.ImportFrom)
                for name in line.names
            }
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "lazy_names":
            lazy = set(ast.literal_eval(node.args[1]))
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            public = set(ast.literal_eval(node.value))
    assert imported == lazy == public - {"__version__"}
    assert lazy
