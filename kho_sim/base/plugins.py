"""Members of a family that come from outside of the package: registered by a call, or installed.

A registered member reaches worker processes pickled, which means by the name of its module; so one
that is defined in a notebook, or inside a function, cannot reach them. An installed one is an
entry point, loaded when somebody first asks for its name; workers find it by themselves.
Left out: a plug-in in the place of a member of the package.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from kho_sim.base import words
from kho_sim.base.errors import EngineError, InputError

Member = TypeVar("Member")
REACHABLE = "define them at the top of a module that can be imported, or sweep with one worker"


class PluginFamily(Generic[Member]):
    """The plug-ins of one family, by name.

    ``what`` names a member in messages, ``group`` its entry points (name = module:member).
    ``taken``: the names of the package's own members.
    """

    def __init__(self, what: str, group: str, taken: tuple[str, ...]):
        self.what = what
        self.group = group
        self.taken = taken
        self.registered: dict[str, Member] = {}
        self._points: dict[str, EntryPoint] | None = None
        self._listeners: list[Callable[[Mapping[str, Member]], None]] = []

    def register(self, name: str, member: Member) -> None:
        """Add a member, or replace the plug-in of that name.

        Raises: InputError if the package itself has a member of that name.
        """
        if name in self.taken:
            raise InputError(f"the package has {self.what} '{name}' already")
        if self.registered.get(name) == member:
            return
        self.registered[name] = member
        self._tell()

    def unregister(self, name: str) -> None:
        """Forget a plug-in. Raises KeyError if there is none of that name."""
        del self.registered[name]
        self._tell()

    def listen(self, listener: Callable[[Mapping[str, Member]], None]) -> None:
        """Call ``listener`` with all members, now and whenever they change."""
        self._listeners.append(listener)
        listener(self.registered)

    def names(self) -> tuple[str, ...]:
        """Return the names of all plug-ins; installed ones need not be loaded for that."""
        return (*dict.fromkeys((*self.registered, *self._installed())),)

    def get(self, name: str) -> Member | None:
        """Return a plug-in, loaded if it is installed, or None if there is none of that name.

        Raises: InputError for one that cannot be loaded.
        """
        if name not in self.registered and name in self._installed():
            point = self._installed()[name]
            try:
                self.register(name, point.load())
            except Exception as error:
                text = f"the plug-in {name} = {point.value} cannot be loaded: {error!r}"
                raise InputError(text) from error
        return self.registered.get(name)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener(self.registered)

    def _installed(self) -> dict[str, EntryPoint]:
        if self._points is None:
            points = entry_points(group=self.group)
            self._points = {point.name: point for point in points if point.name not in self.taken}
        return self._points


STRATEGIES: PluginFamily[Any] = PluginFamily(
    "an extension strategy", "kho_sim.strategies", words.STRATEGIES
)
RETRIEVALS: PluginFamily[Any] = PluginFamily(
    "a way to retrieve", "kho_sim.retrievals", words.RETRIEVALS
)
WORKLOADS: PluginFamily[Any] = PluginFamily(
    "a kind of workload", "kho_sim.workloads", words.WORKLOADS
)
FAMILIES = (STRATEGIES, RETRIEVALS, WORKLOADS)


def packed_plugins() -> bytes:
    """Return all registered plug-ins, for a worker process to unpack.

    Raises: EngineError for one that no other process can find.
    """
    members = [family.registered for family in FAMILIES]
    try:
        data = pickle.dumps(members)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        text = f"plug-ins cannot be sent to worker processes: {error}; {REACHABLE}"
        raise EngineError(text) from error
    if b"__main__" in data and not _main_is_a_file():
        text = "plug-ins that are defined in __main__ cannot be found by worker processes"
        raise EngineError(f"{text}; {REACHABLE}")
    return data


def unpack_plugins(data: bytes) -> None:
    """Register the plug-ins that another process has packed. Raises EngineError."""
    try:
        for family, members in zip(FAMILIES, pickle.loads(data), strict=True):
            for name, member in members.items():
                family.register(name, member)
    except (ImportError, AttributeError) as error:
        text = f"a worker process cannot find the plug-ins: {error}; {REACHABLE}"
        raise EngineError(text) from error


def _main_is_a_file() -> bool:
    """Tell whether __main__ is a script or a module: a worker of this machine imports it again."""
    main = sys.modules["__main__"]
    return bool(getattr(main, "__spec__", None) or getattr(main, "__file__", None))
