"""Calls back up to an owner that do not keep it alive.

What a kernel holds is up to gigabytes, so it goes when nobody needs the kernel any more, not when
the garbage collector comes by: in its structures nothing below holds what is above.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar
from weakref import WeakMethod

from kho_sim.base.errors import ModelError

P = ParamSpec("P")
T = TypeVar("T")


def weakly(method: Callable[P, T]) -> Callable[P, T]:
    """Return a method that does not keep its owner alive. Raises ModelError if called after it."""
    held = WeakMethod(method)

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        bound = held()
        if bound is None:
            raise ModelError("a part of a kernel calls what is gone")
        return bound(*args, **kwargs)

    return call
