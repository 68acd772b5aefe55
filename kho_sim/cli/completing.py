"""What a shell offers where a word is begun: files, dotted keys, and names of the package.

click asks these functions as ``shell_complete`` of an argument or option, while a user types: they
say nothing and raise nothing. Left out: values after ``KEY=``, as shells split words there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

Items = list[CompletionItem]
Completer = Callable[[click.Context, click.Parameter, str], Items]


def files(_: click.Context, __: click.Parameter, begun: str) -> Items:
    """Let the shell offer its files and folders."""
    return [CompletionItem(begun, type="file")]


def folders(_: click.Context, __: click.Parameter, begun: str) -> Items:
    """Let the shell offer its folders."""
    return [CompletionItem(begun, type="dir")]


def keys(_: click.Context, __: click.Parameter, begun: str) -> Items:
    """Offer the dotted places of a scenario that hold a value, each with ``=``."""
    return _beginning((f"{place}=" for place in _places()), begun)


def places(_: click.Context, __: click.Parameter, begun: str) -> Items:
    """Offer the dotted places of a scenario that hold a value."""
    return _beginning(_places(), begun)


def results(_: click.Context, __: click.Parameter, begun: str) -> Items:
    """Offer the names of results that a condition can have."""
    from kho_sim.base.results import RESULTS

    return _beginning(RESULTS, begun)


def example_names(_: click.Context, __: click.Parameter, begun: str) -> Items:
    """Offer the names of the scenarios of the package."""
    from kho_sim.scenario.shipped import shipped_scenarios

    return _beginning(shipped_scenarios(), begun)


def schema_names(_: click.Context, __: click.Parameter, begun: str) -> Items:
    """Offer the names of schemas."""
    from kho_sim.schemas import SCHEMAS

    return _beginning(SCHEMAS, begun)


def tables(_: click.Context, __: click.Parameter, begun: str) -> Items:
    """Offer the tables of a trace."""
    from kho_sim.tables import TABLES

    return _beginning(TABLES, begun)


def steps(_: click.Context, __: click.Parameter, begun: str) -> Items:
    """Offer the steps of a boot."""
    from kho_sim.steps import STEPS

    return _beginning(STEPS, begun)


def figures(_: click.Context, __: click.Parameter, begun: str) -> Items:
    """Offer the figures of a trace, a sweep, advice and a verification."""
    from kho_sim import plots

    of_many = [*plots.SWEEP_FIGURES, *plots.ADVICE_FIGURES, *plots.VERIFY_FIGURES]
    names = [*plots.TRACE_FIGURES, *of_many]
    return _beginning(dict.fromkeys(names), begun)


def verbs(context: click.Context, _: click.Parameter, begun: str) -> Items:
    """Offer the verbs."""
    program = context.find_root().command
    assert isinstance(program, click.Group)
    return _beginning(program.list_commands(context), begun)


def nothing(_: click.Context, __: click.Parameter, ___: str) -> Items:
    """Offer nothing: a number, an address or a text that only the user knows."""
    return []


def _places() -> list[str]:
    from kho_sim.scenario.spec import Scenario
    from kho_sim.scenario.vary import known_places

    found = list(known_places(Scenario, {}))
    sections = {place.rpartition(".")[0] for place in found}
    return [place for place in found if place not in sections]


def _beginning(words: Iterable[str], begun: str) -> Items:
    return [CompletionItem(word) for word in words if word.startswith(begun)]
