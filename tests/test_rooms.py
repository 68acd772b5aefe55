"""The architecture, executed: who may import whom, and who owns which library."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import get_annotations, isfunction
from pathlib import Path

import networkx as nx
import pytest

import kho_sim as ks

HOUSE = Path(ks.__file__).parent

BASE = {"_version", "base"}
MACHINE = BASE | {"machine", "builds", "releases", "platform"}
RESULTS = BASE | {"scenario", "trace", "tables"}
PACKAGES = {
    "_version": set(),
    "base": {"_version"},
    "layout": set(),
    "machine": BASE,
    "builds": BASE,
    "releases": BASE,
    "platform": BASE | {"machine"},
    "rates": BASE,
    "scenario": BASE | {"builds", "releases", "platform", "rates"},
    "memory": MACHINE,
    "kho": MACHINE | {"memory"},
    "kernel": MACHINE | {"memory", "kho"},
    "trace": BASE,
    "tables": BASE | {"trace"},
    "runs": RESULTS,
    "logs": MACHINE | {"memory", "kho", "scenario", "trace"},
    "chain": MACHINE | {"layout", "memory", "kho", "kernel", "scenario", "rates", "trace"},
    "graphs": BASE | {"platform", "kho", "trace"},
    "steps": BASE | {"releases", "layout", "kho", "memory", "trace"},
    "plots": BASE | {"kho", "memory", "trace", "graphs"},
    "report": RESULTS | {"releases", "layout", "kho", "steps", "plots"},
    "verification": MACHINE | {"layout", "memory", "kho", "scenario", "trace", "logs", "chain"},
    "sweeps": RESULTS
    | {"releases", "layout", "platform", "memory", "kho", "kernel", "runs", "chain"},
    "host_cost": RESULTS
    | {"layout", "memory", "kho", "kernel", "chain", "plots", "report", "sweeps", "releases"},
    "schemas": RESULTS | {"host_cost", "sweeps", "verification"},
    "cli": RESULTS
    | {"host_cost", "schemas"}
    | {"layout", "runs", "logs", "chain", "graphs", "steps", "plots", "report", "verification"}
    | {"sweeps"},
    "pytest_plugin": BASE | {"scenario", "trace", "chain", "cli"},
    "widget": BASE | {"scenario", "trace", "chain", "plots", "sweeps"},
    "contracts": MACHINE | {"memory", "kho", "scenario", "chain"},
    "__init__": RESULTS
    | {"kho", "logs", "chain", "graphs", "plots", "sweeps", "host_cost"}
    | {"widget"},
    "__main__": {"cli"},
}
"""Package (or module beside the packages) -> what it may import at run time, all of it above."""

EXCEPTIONS = {
    ("trace", "tables"): "Trace.boots and its like are tables, which are made when first asked for",
}
"""Imports against the order of ``PACKAGES``, each inside a function, with the reason."""

CIRCLES_OF_TYPES = {
    (
        "kho_sim.chain.kernel",
        "kho_sim.chain.update",
    ): "an update is the last chapter of its kernel",
    ("kho_sim.logs.reader.dispatch", "kho_sim.logs.reader.reader"): "rules are handed the reader",
    (
        "kho_sim.memory.early",
        "kho_sim.memory.early.boot",
        "kho_sim.platform.arm64",
        "kho_sim.platform.arm64.early",
        "kho_sim.platform.arm64.linear_map",
        "kho_sim.platform.arm64.platform",
        "kho_sim.platform.platform",
        "kho_sim.platform.x86_64",
        "kho_sim.platform.x86_efi",
        "kho_sim.platform.x86_map",
    ): "a platform's steps are handed the early boot that they are steps of",
    (
        "kho_sim.host_cost.cost",
        "kho_sim.host_cost.text",
    ): "a cost prints in words that are made of it",
    (
        "kho_sim.logs.importing.imported",
        "kho_sim.logs.importing.write",
    ): "an imported scenario prints as its file, which is written from it",
    (
        "kho_sim.scenario.faults",
        "kho_sim.scenario.shown",
        "kho_sim.scenario.spec",
    ): "a fault is checked in its scenario, which prints in words that are made of it",
    (
        "kho_sim.steps.sentences",
        "kho_sim.steps.steps",
    ): "a boot's steps have sentences that are made of it",
    (
        "kho_sim.sweeps.advise.advice",
        "kho_sim.sweeps.advise.document",
        "kho_sim.sweeps.advise.text",
    ): "advice prints in words, and as a document, that are made of it",
    (
        "kho_sim.trace.headline",
        "kho_sim.trace.trace",
    ): "a trace is shown in notebooks by the headline that is made of it",
}
"""Modules that name each other's types, sorted, with the reason."""

LIBRARIES = {
    "click": {"cli"},
    "distributed": {"sweeps"},
    "ipywidgets": {"widget"},
    "jinja2": {"report"},
    "matplotlib": {"plots"},
    "networkx": {"graphs"},
    "numpy": {"memory", "kho", "plots"},
    "pandas": {"tables", "plots", "report", "sweeps", "host_cost"},
    "pyarrow": {"runs", "sweeps"},
    "pydantic": {"scenario"},
    "pydantic_core": {"scenario"},
    "pytest": {"pytest_plugin"},
    "rich": {"layout", "sweeps"},
    "simpy": {"chain"},
    "yaml": {"scenario", "verification"},
}
"""Library -> the packages that import it at run time."""


@dataclass(frozen=True)
class Import:
    """One import of one module, or of a name in it."""

    path: Path
    importer: str
    imported: str
    types: bool
    """Only for a type checker."""
    at_use: bool
    """Inside a function."""

    @property
    def packages(self) -> tuple[str, str]:
        """The package that imports, and the one that is imported ('' outside of the house)."""
        return package_of(self.importer), package_of(self.imported)

    def __repr__(self) -> str:
        return f"{self.path.relative_to(HOUSE)} imports {self.imported}"


def package_of(module: str) -> str:
    house, _, inner = module.partition(".")
    return (inner.partition(".")[0] or "__init__") if house == "kho_sim" else ""


def module_of(path: Path) -> str:
    parts = ("kho_sim", *path.relative_to(HOUSE).with_suffix("").parts)
    return ".".join(parts[:-1] if path.name == "__init__.py" else parts)


def nodes_inside(tree: ast.AST, kinds: tuple[type[ast.AST], ...], text: str = "") -> set[int]:
    return {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, kinds) and text in ast.unparse(getattr(node, "test", node))
        for inner in ast.walk(node)
    }


def imports_of(path: Path) -> Iterator[Import]:
    """Yield every import of a file, the relative ones resolved."""
    tree = ast.parse(path.read_text())
    types = nodes_inside(tree, (ast.If,), "TYPE_CHECKING")
    at_use = nodes_inside(tree, (ast.FunctionDef, ast.AsyncFunctionDef))
    importer = module_of(path)
    package = importer.split(".") if path.name == "__init__.py" else importer.split(".")[:-1]
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            home = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{home}.{alias.name}" for alias in node.names]
        for name in names:
            yield Import(path, importer, name, id(node) in types, id(node) in at_use)


FILES = sorted(HOUSE.rglob("*.py"))
IMPORTS = [found for path in FILES for found in imports_of(path)]
AT_RUN_TIME = [found for found in IMPORTS if not found.types]


def test_the_plan_names_every_package_and_no_other():
    rooms = {path.relative_to(HOUSE).parts[0].removesuffix(".py") for path in FILES}
    assert set(PACKAGES) == rooms
    assert IMPORTS


def test_the_plan_runs_one_way():
    order = list(PACKAGES)
    upwards = {
        (package, below)
        for package, allowed in PACKAGES.items()
        for below in allowed
        if order.index(below) >= order.index(package)
    }
    assert not upwards


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_the_plan_allows(package):
    allowed = PACKAGES[package] | {package, ""}
    foreign = [
        found
        for found in AT_RUN_TIME
        if found.packages[0] == package
        and found.packages[1] not in allowed
        and not (found.packages in EXCEPTIONS and found.at_use)
    ]
    assert not foreign


def test_every_exception_is_made_use_of():
    assert {found.packages for found in AT_RUN_TIME if found.packages in EXCEPTIONS} == set(
        EXCEPTIONS
    )


def circles(imports: list[Import]) -> set[tuple[str, ...]]:
    """Return the sets of modules that reach each other, but for imports of ``EXCEPTIONS``."""
    modules = {module_of(path) for path in FILES}
    graph = nx.DiGraph()
    for found in imports:
        home = found.imported
        while home not in modules and "." in home:
            home = home.rpartition(".")[0]
        if home in modules - {found.importer} and found.packages not in EXCEPTIONS:
            graph.add_edge(found.importer, home)
    return {
        tuple(sorted(circle))
        for circle in nx.strongly_connected_components(graph)
        if len(circle) > 1
    }


def test_no_modules_import_each_other():
    assert not circles(AT_RUN_TIME)


def test_modules_that_name_each_others_types_are_those_of_the_plan():
    assert circles(IMPORTS) == set(CIRCLES_OF_TYPES)


def test_a_library_is_imported_by_its_owners_only():
    users: dict[str, set[str]] = {}
    for found in AT_RUN_TIME:
        library = found.imported.partition(".")[0]
        if library != "kho_sim" and library not in sys.stdlib_module_names:
            users.setdefault(library, set()).add(found.packages[0])
    assert users == LIBRARIES


def test_modules_stay_short():
    lengths = {path: len(path.read_text().splitlines()) for path in FILES}
    assert not {str(path): lines for path, lines in lengths.items() if lines > 400}


def test_docstrings_of_functions_do_not_begin_with_a_pronoun():
    """Each says by itself what is returned or done."""
    begins = re.compile(r"(Whether|True if|The same|Those|These|This|It|As)\b")
    found = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and begins.match(ast.get_docstring(node) or ""):
                found.append(f"{path}:{node.lineno}")
    assert not found


def test_every_public_name_resolves():
    for name in ks.__all__:
        assert getattr(ks, name)
    with pytest.raises(AttributeError, match="no attribute 'lineag'"):
        ks.lineag  # noqa: B018


def test_public_functions_take_paths_of_any_kind():
    functions = [value for name in ks.__all__ if isfunction(value := getattr(ks, name))]
    taken = {
        f"{function.__name__}({name})": str(annotation)
        for function in functions
        for name, annotation in get_annotations(function).items()
        if name != "return"
    }
    assert any("PathLike[str]" in annotation for annotation in taken.values())
    assert not {name for name, annotation in taken.items() if re.search(r"\bPath\b", annotation)}
