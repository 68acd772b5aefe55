"""Scratch sizes as ``kho_scratch=`` takes them, and scenarios with other ones.

Areas are counted in steps of a block of the highest order, to which the kernel rounds them up
anyway (kernel-facts 3.2; 4, 32 or 512 MiB by page size). Only the first kernel of a chain sizes
scratch, so only its command line matters.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from kho_sim.base.command_line.words import SPACES, split_words
from kho_sim.platform.geometry import GEOMETRIES, PAGES_4K
from kho_sim.releases import load_release
from kho_sim.scenario import Scenario

STEP_BYTES = PAGES_4K.scratch_align_bytes
"""With pages of 4 KiB."""


def step_bytes_of(scenario: Scenario) -> int:
    """Return the steps that the areas of a scenario have sizes in."""
    geometry = GEOMETRIES[scenario.machine.platform][scenario.kernel.page_size]
    return geometry.scratch_align_bytes


@dataclass(frozen=True, slots=True, order=True)
class Areas:
    """Sizes of the lowmem, the global and each per-node area, in steps of ``step_bytes``."""

    lowmem: int
    everywhere: int
    per_node: int
    step_bytes: int = STEP_BYTES

    def __getitem__(self, index: int) -> int:
        return (self.lowmem, self.everywhere, self.per_node)[index]

    def with_area(self, index: int, steps: int) -> Areas:
        """Return the same with another size of area 0, 1 or 2."""
        low, everywhere, per_node = (steps if i == index else self[i] for i in range(3))
        return Areas(low, everywhere, per_node, self.step_bytes)

    def times(self, factor: int) -> Areas:
        """Return the same with each area so many times as large."""
        return Areas(
            self.lowmem * factor, self.everywhere * factor, self.per_node * factor, self.step_bytes
        )

    def contains(self, other: Areas) -> bool:
        """Return whether no area is smaller than the other's, and one is larger."""
        return self != other and all(self[index] >= other[index] for index in range(3))

    def is_next_below(self, other: Areas) -> bool:
        """Return whether these are the other's with a step less in one area."""
        less = sorted(other[index] - self[index] for index in range(3))
        return less == [0, 0, 1]

    def total_bytes(self, nodes: int) -> int:
        """Return what all areas of a machine take together."""
        return (self.lowmem + self.everywhere + self.per_node * nodes) * self.step_bytes

    def __str__(self) -> str:
        """Return the value of ``kho_scratch=``."""
        sizes = (self.lowmem, self.everywhere, self.per_node)
        return ",".join(f"{steps * self.step_bytes >> 20}M" for steps in sizes)


def parse_areas(text: str, step_bytes: int = STEP_BYTES) -> Areas:
    """Return the areas of a ``kho_scratch=`` value, rounded up as the kernel does.

    Raises ValueError with a sentence; a percentage has no sizes.
    """
    from kho_sim.base.units import parse_size

    parts = text.split(",")
    if len(parts) != 3:
        raise ValueError(f"'{text}' is not three sizes, as in 8M,16M,16M.")
    low, everywhere, per_node = (-(-parse_size(part) // step_bytes) for part in parts)
    return Areas(low, everywhere, per_node, step_bytes)


def command_line_place(scenario: Scenario) -> str:
    """Return the dotted place of the first kernel's command line."""
    releases = scenario.kernel.releases
    if releases and releases[0].command_line is not None:
        return "kernel.releases[0].command_line"
    return "kernel.command_line"


def with_scratch(scenario: Scenario, areas: Areas | str | None) -> dict[str, Any]:
    """Return the overrides that give the first kernel these areas, or its default ones (None).

    A text is any value of ``kho_scratch=``, as ``50%``.
    """
    name = load_release(scenario.kernel.at(0).release).scratch_option
    kept = kept_words(scenario, {name})
    # In front, where no "--" can make it an argument of init.
    option = [] if areas is None else [f"{name}={areas}"]
    return {command_line_place(scenario): " ".join([*option, *kept])}


def kept_words(scenario: Scenario, left_out: Collection[str]) -> list[str]:
    """Return the words of the first kernel's command line but for some options."""
    words = _words(scenario.kernel.at(0).command_line)
    return [word for word in words if split_words(word)[0].name not in left_out]


def with_strategy(scenario: Scenario, strategy: str, shift: int) -> dict[str, Any]:
    """Return the overrides that make every kernel of the chain use one strategy."""
    return _in_all_kernels(scenario, "strategy", strategy) | with_shift(scenario, shift)


def with_shift(scenario: Scenario, shift: int) -> dict[str, Any]:
    """Return the overrides that give every kernel of the chain one block size."""
    return _in_all_kernels(scenario, "shift", shift)


def _in_all_kernels(scenario: Scenario, name: str, value: Any) -> dict[str, Any]:
    overrides = {f"kernel.extend.{name}": value}
    for number, release in enumerate(scenario.kernel.releases):
        if release.extend is not None and getattr(release.extend, name) is not None:
            overrides[f"kernel.releases[{number}].extend.{name}"] = value
    return overrides


def _words(command_line: str) -> list[str]:
    """Split a command line at the spaces outside of double quotes, quotes and all."""
    words, quoted = [""], False
    for character in command_line:
        quoted ^= character == '"'
        if character in SPACES and not quoted:
            words.append("")
        else:
            words[-1] += character
    return [word for word in words if word]
