"""Names of a package that are imported on first use.

A package's ``__init__`` lists the names that it offers, and loads none of them: ``import kho_sim``
and ``kho-sim --help`` need no pandas. For type checkers the package imports the same names if
TYPE_CHECKING.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    package: str,
    homes: Mapping[str, str],
    public: Iterable[str],
    named_there: Mapping[str, str] | None = None,
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package.

    ``homes`` maps each name to the module that has it, or to itself inside the package if it is a
    module. ``named_there`` has the names that the home calls differently. ``public`` is what
    ``dir()`` lists. Both raise and return what Python expects of them (PEP 562).
    """

    def resolve(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: Any = import_module(homes[name])
        if homes[name] != f"{package}.{name}":
            value = getattr(value, (named_there or {}).get(name, name))
        setattr(sys.modules[package], name, value)
        return value

    return resolve, lambda: sorted(public)
