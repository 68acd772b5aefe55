"""The architecture, executed: who may import whom, and who owns which library."""

import ast
from pathlib import Path

import pytest

import kho_sim as ks

PACKAGE = Path(ks.__file__).parent
BASE = {"base", "_version"}
MAY_IMPORT = {
    "base": {"_version"},
    "scenario": BASE,
    "machine": BASE,
    "builds": BASE,
    "platform": BASE | {"machine"},
    "memory": BASE | {"machine", "builds", "platform"},
    "kho": BASE | {"machine", "builds", "platform", "memory"},
    "kernel": BASE | {"machine", "builds", "platform", "memory", "kho"},
    "cost": BASE,
    "chain": BASE
    | {"scenario", "machine", "builds", "platform", "memory", "kho", "kernel", "cost", "trace"},
    "frames": BASE | {"trace"},
}
OWNERS = {
    "simpy": {"chain"},
    "yaml": {"scenario", "verify"},
    "networkx": {"graphs", "plots"},
    "matplotlib": {"plots"},
    "click": {"cli"},
}


def imports_of(path):
    """Yield the modules that a file imports at run time."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def files_of(room):
    return sorted((PACKAGE / room).rglob("*.py"))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_lies_below_it(room):
    assert files_of(room)
    for path in files_of(room):
        for module in imports_of(path):
            parts = module.split(".")
            if parts[0] == "kho_sim" and len(parts) > 1:
                assert parts[1] in MAY_IMPORT[room] | {room}, f"{path.name} imports {module}"


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_is_imported_by_its_owners_only(library):
    users = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if library in {module.split(".")[0] for module in imports_of(path)}
    }
    assert users
    assert users <= OWNERS[library]


def test_modules_stay_short():
    lengths = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert not {str(path): lines for path, lines in lengths.items() if lines > 400}


def test_every_public_name_resolves():
    for name in ks.__all__:
        assert getattr(ks, name)
    with pytest.raises(AttributeError, match="no attribute 'lineag'"):
        ks.lineag  # noqa: B018
