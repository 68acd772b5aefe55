"""Expectations of a run: ``expect:`` of the scenario, and ``--fail-on``.

Both compare a name of the run's summary, or ``outcome``, with a value. ``expect:`` has what must
hold, ``--fail-on`` what must not. A number that the run does not have satisfies neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kho_sim.base.results import RESULTS
from kho_sim.trace.summary import summary
from kho_sim.trace.trace import Trace

if TYPE_CHECKING:
    from kho_sim.scenario.expectations import Expectation

_CONDITION = re.compile(r"\s*(\w+)\s*((?:<=|>=|!=|==|=|<|>)\s*\S.*)?")


def parse_condition(text: str) -> Expectation:
    """Return the condition that an option names: 'failures > 0', 'outcome != completed'.

    A name alone means that it is not zero. Raises ValueError with a sentence.
    """
    from kho_sim.scenario.expectations import expectation, no_result

    match = _CONDITION.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is no condition; accepted: a comparison, as in 'failures > 0'.")
    name, comparison = match[1], match[2] or "!= 0"
    if name not in RESULTS:
        raise ValueError(f"'{name}': {no_result(name)}.")
    if comparison[0] == "=" and comparison[1:2] != "=":
        comparison = f"={comparison}"
    return expectation(name, comparison)


def unmet_expectations(
    trace: Trace, expected: Iterable[Expectation], fail_on: Iterable[Expectation]
) -> list[str]:
    """Return a sentence for each expectation that the trace does not meet."""
    values = {"outcome": trace.outcome.kind, **summary(trace)}
    sentences = []
    for wanted, conditions in ((True, expected), (False, fail_on)):
        for condition in conditions:
            name, found = condition.key, values.get(condition.key)
            words = f"{name} {condition.operator} {condition.value}"
            stated = f"expected {words}" if wanted else f"--fail-on {words}"
            if found is None:
                sentences.append(f"{stated}: this run has no {name}")
            elif condition.holds(found) != wanted:
                sentences.append(f"{stated}: {name} is {found}")
    return sentences
