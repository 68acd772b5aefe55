"""A chain to play with in a notebook: sliders for block size, scratch and memory, and a figure.

Every change simulates the chain anew, which takes about a second for small hosts. It needs
ipywidgets, of the extra ``notebooks``, and only when it is asked for. Left out: all other keys of a
scenario, which ``with_values`` sets, and the steps of one boot, which the page of a report plays.
"""

from __future__ import annotations

import base64
from html import escape
from os import PathLike
from typing import Any

from kho_sim.base.errors import EngineError, InputError, KhoSimError, nearest
from kho_sim.base.units import format_exact
from kho_sim.chain import run_scenario
from kho_sim.plots import TRACE_FIGURES, picture
from kho_sim.scenario import Scenario, as_scenario, with_values
from kho_sim.scenario.machine import LEAST_BYTES, MOST_BYTES
from kho_sim.sweeps.advise.areas import with_scratch, with_shift
from kho_sim.trace.trace import Trace

SHIFTS = range(21, 37)
"""Block sizes from 2 MiB to 64 GiB."""
DOUBLINGS = range(-4, 5)
"""Memory, from a sixteenth of the scenario's to sixteen times as much."""
AS_GIVEN = "as given"
PERCENTS = (1, 2, 5, 10, 25, 50, 100, 150, 200, 300, 400)
SCRATCH = [(AS_GIVEN, AS_GIVEN), *((f"{percent} %", f"{percent}%") for percent in PERCENTS)]
"""Words and values of ``kho_scratch=``, in percent of what the first kernel has reserved."""
PNG = "image/png"


def play(scenario: Scenario | str | PathLike[str], figure: str = "memory_map") -> LiveChain:
    """Return a chain whose block size, scratch and memory are moved by sliders; it displays itself.

    ``figure`` is one of ``kho_sim.plots.TRACE_FIGURES``; a list beside the sliders has them all.
    Where no live page is, as in a notebook on the web, its picture is shown.
    Raises: EngineError without ipywidgets, InputError for an unknown figure, and what ``load`` and
    ``run`` raise for the scenario as it is given. Later ones are shown below the sliders.
    """
    return LiveChain(as_scenario(scenario), figure)


class LiveChain:
    """Sliders, the headline of the chain, and a figure, which follow each other.

    ``shift``, ``scratch``, ``memory`` and ``figure`` are widgets: setting their ``value`` is the
    same as moving them. ``scenario`` and ``trace`` are what is shown.
    """

    def __init__(self, scenario: Scenario, figure: str = "memory_map") -> None:
        try:
            import ipywidgets
        except ImportError as error:
            raise EngineError("for sliders, install kho-sim[notebooks]") from error
        if figure not in TRACE_FIGURES:
            close = nearest(figure, TRACE_FIGURES) or "memory_map"
            accepted = f"accepted: {', '.join(TRACE_FIGURES)}; nearest: {close}"
            raise InputError(f"there is no figure '{figure}'; {accepted}")
        self._given = scenario
        self.scenario = scenario
        self.trace: Trace = run_scenario(scenario)

        def slider(description: str, options: list[tuple[str, Any]], value: Any) -> Any:
            return ipywidgets.SelectionSlider(
                description=description, options=options, value=value,
                continuous_update=False, layout={"width": "36rem"},
            )  # fmt: skip

        shift, memory_bytes = scenario.kernel.extend.shift, scenario.machine.total_bytes
        self.shift = slider("blocks", _shifts(shift), shift)
        self.scratch = slider("scratch", SCRATCH, AS_GIVEN)
        self.memory = slider("memory", _memories(scenario), memory_bytes)
        self.memory.disabled = len(self.memory.options) == 1
        self.figure = ipywidgets.Dropdown(
            description="figure", options=list(TRACE_FIGURES), value=figure
        )
        self._words = ipywidgets.HTML()
        self._picture = ipywidgets.Image(format="png", layout={"max_width": "100%"})
        controls = [self.shift, self.scratch, self.memory, self.figure]
        self._all = ipywidgets.VBox([*controls, self._words, self._picture])
        for one in controls[:3]:
            one.observe(self._run, "value")
        self.figure.observe(self._draw, "value")
        self._draw()

    @property
    def words(self) -> str:
        """The text above the figure, as HTML."""
        return str(self._words.value)

    @property
    def picture(self) -> bytes:
        """The figure as PNG; empty if there is none."""
        return bytes(self._picture.value)

    def __repr__(self) -> str:
        return f"<LiveChain of {self.scenario!r}>"

    def _repr_mimebundle_(self, **chosen: Any) -> dict[str, Any]:
        """The live page, and its picture for where none can be."""
        bundle: dict[str, Any] = {**self._all._repr_mimebundle_(**chosen), "text/plain": repr(self)}
        if self.picture:
            bundle[PNG] = base64.b64encode(self.picture).decode()
        return bundle

    def _run(self, _change: object) -> None:
        """Simulate the chain with the values of all sliders, and show it."""
        self._words.value = "<p>simulating ...</p>"
        try:
            self.scenario = self._chosen()
            self.trace = run_scenario(self.scenario)
        except KhoSimError as error:
            self._say_why(error)
        else:
            self._draw()

    def _chosen(self) -> Scenario:
        """The scenario as given, but for the sliders that are no longer where they began."""
        given, values = self._given, dict[str, Any]()
        if self.shift.value != given.kernel.extend.shift:
            values |= with_shift(given, self.shift.value)
        if self.scratch.value != AS_GIVEN:
            values |= with_scratch(given, self.scratch.value)
        if self.memory.value != given.machine.total_bytes:
            values["machine.memory"] = self.memory.value
        return with_values(given, values)

    def _draw(self, _change: object = None) -> None:
        """Show the chain that was simulated last."""
        try:
            self._picture.value = picture(TRACE_FIGURES[self.figure.value](self.trace), "png")
        except KhoSimError as error:
            self._say_why(error)
        else:
            self._words.value = self.trace._repr_html_()

    def _say_why(self, error: KhoSimError) -> None:
        self._picture.value = b""
        self._words.value = f"<p>{escape(str(error))}</p>"


def _shifts(own: int) -> list[tuple[str, int]]:
    return [
        (f"{format_exact(1 << shift)}, shift {shift}", shift) for shift in sorted({*SHIFTS, own})
    ]


def _memories(scenario: Scenario) -> list[tuple[str, int]]:
    """What the machine may have; only its own where the firmware's map or its nodes say more."""
    own = scenario.machine.total_bytes
    if scenario.machine.memory_map or scenario.machine.node_memory:
        return [(format_exact(own), own)]
    sizes = (int(own * 2.0**doublings) for doublings in DOUBLINGS)
    return [(format_exact(size), size) for size in sizes if LEAST_BYTES <= size <= MOST_BYTES]
