"""Physical addresses along x: in proportion where there is memory, large holes cut short.

Left out: proportion inside a hole. A mark can be given a least width, so that a run of one page in
12 TiB is still a mark; figures that use it say so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from kho_sim.base.extent import Extent, merged
from kho_sim.base.units import format_exact, format_size, parse_size
from kho_sim.plots.style import GREY

HOLE_WIDTH = 0.012
"""The largest share of the axis for a hole, all memory being about 1."""
LEAST_WIDTH = 1 / 600
TICK_DISTANCE = 0.055
TICKS_WANTED = 10
MIB = 1 << 20
EXACT_DIGITS = 5


@dataclass(frozen=True)
class AddressAxis:
    """A rising map of addresses to x from 0 to 1. ``pieces`` is memory, holes between cut short."""

    pieces: tuple[Extent, ...]
    edges: tuple[float, ...]
    """x of the pieces' starts and ends, in turn."""

    @classmethod
    def over(cls, memory: Iterable[tuple[int, int]]) -> AddressAxis:
        """Return the axis for a machine's memory; holes too small to matter stay in proportion."""
        extents = merged(memory)
        total = sum(extent.size for extent in extents)
        pieces = [extents[0]]
        for extent in extents[1:]:
            if extent.start - pieces[-1].end <= HOLE_WIDTH * total:
                pieces[-1] = Extent(pieces[-1].start, extent.end)
            else:
                pieces.append(extent)
        drawn = sum(piece.size for piece in pieces) / (1 - HOLE_WIDTH * (len(pieces) - 1))
        edges, x = [], 0.0
        for piece in pieces:
            edges += [x, x + piece.size / drawn]
            x = edges[-1] + HOLE_WIDTH
        return cls(tuple(pieces), tuple(edges))

    @property
    def bytes_per_x(self) -> float:
        """Bytes of memory that one unit of x stands for."""
        return self.pieces[0].size / (self.edges[1] - self.edges[0])

    def x(self, address: int | list[int]) -> np.ndarray:
        """Return the place of one or many addresses; beyond memory the nearest end."""
        bounds = [bound for piece in self.pieces for bound in piece]
        places: np.ndarray = np.interp(
            np.asarray(address, dtype=float), np.asarray(bounds, float), self.edges
        )
        return places

    def spans(
        self, extents: Iterable[tuple[int, int]], least_width: float = 0.0
    ) -> list[tuple[float, float]]:
        """Return ranges as (left, right) in x, each at least so wide, joined where they meet."""
        ranges = [(start, end) for start, end in merged(extents)]
        if not ranges:
            return []
        lefts = self.x([start for start, _ in ranges])
        rights = self.x([end for _, end in ranges])
        missing = np.clip(least_width - (rights - lefts), 0, None) / 2
        spans: list[tuple[float, float]] = []
        for left, right in zip(lefts - missing, rights + missing, strict=True):
            if spans and left <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(spans[-1][1], float(right)))
            else:
                spans.append((float(left), float(right)))
        return spans

    def ticks(self) -> list[tuple[float, str]]:
        """Return (x, label): round addresses, and where memory goes on after a hole."""
        total = sum(piece.size for piece in self.pieces)
        step = 1 << max((total // TICKS_WANTED).bit_length(), 1)
        largest_first = sorted(self.pieces, key=lambda piece: -piece.size)
        firsts = [piece.start if piece.start >= MIB else 0 for piece in largest_first]
        rounds = [
            address
            for piece in self.pieces
            for address in range(-(-piece.start // step) * step, piece.end + 1, step)
        ]
        placed: list[tuple[float, str]] = []
        for address in [*firsts, *rounds]:
            x = float(self.x(address))
            if all(abs(x - other) >= TICK_DISTANCE for other, _ in placed):
                placed.append((x, _address_text(address)))
        return sorted(placed)

    def decorate(self, axes: Axes) -> None:
        """Put ticks, label and the marks of holes on a plot's x axis."""
        ticks = self.ticks()
        axes.set_xlim(-0.002, 1.002)
        axes.set_xticks([x for x, _ in ticks], [text for _, text in ticks])
        axes.set_xlabel("physical address (GiB and so on are powers of 1024)")
        for left, right in zip(self.edges[1:-1:2], self.edges[2::2], strict=True):
            axes.plot(
                [(left + right) / 2],
                [0.0],
                marker=(2, 0, -20),
                markersize=9,
                color=GREY,
                clip_on=False,
                transform=axes.get_xaxis_transform(),
                gid="hole",
            )


def _address_text(address: int) -> str:
    """A round address exactly, in its unit; another, as where memory goes on, to two decimals."""
    short, exact = format_size(address), format_exact(address)
    number, _, unit = short.partition(" ")
    if not address or float(number) * parse_size(f"1{unit}") == address:
        return short if address else "0"
    digits = exact.rstrip("KMGTPEiB")
    return short if len(digits) > EXACT_DIGITS else f"{digits} {exact[len(digits) :]}".rstrip()


def bars(
    axes: Axes,
    spans: list[tuple[float, float]],
    bottom: float,
    height: float,
    gid: str,
    colour: str,
) -> None:
    """Draw spans of x as one collection of rectangles; nothing if there are none."""
    if spans:
        corners = [
            [(left, bottom), (right, bottom), (right, bottom + height), (left, bottom + height)]
            for left, right in spans
        ]
        axes.add_collection(
            PolyCollection(corners, gid=gid, facecolor=colour, linewidth=0), autolim=False
        )
