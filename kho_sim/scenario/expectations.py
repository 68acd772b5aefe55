"""Expectations of a run, line by line of ``expect:``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from pydantic.json_schema import JsonSchemaValue

from kho_sim.base.errors import nearest
from kho_sim.base.results import RESULTS, SHORT_NAMES
from kho_sim.base.units import parse_size, parse_time
from kho_sim.base.words import OUTCOMES
from kho_sim.scenario.fields import FieldRule, found, one_of
from kho_sim.scenario.section import BrokenRule, refuse_if

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<=": lambda actual, value: actual <= value,
    ">=": lambda actual, value: actual >= value,
    "!=": lambda actual, value: actual != value,
    "==": lambda actual, value: actual == value,
    "<": lambda actual, value: actual < value,
    ">": lambda actual, value: actual > value,
}
_KEY = re.compile(r"[a-z][a-z0-9_]{0,99}")
_WRITTEN = re.compile(r" *(<=|>=|!=|==|<|>)? *(.*?) *", re.DOTALL)
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")


class Expectation(NamedTuple):
    """The summary value at ``key`` (or the outcome's kind), compared with ``value``."""

    key: str
    operator: str
    value: int | float | str

    def holds(self, actual: object) -> bool:
        """Say whether ``actual`` is as expected; None (a value that is not there) never is."""
        if actual is None:
            return False
        if isinstance(actual, (int, float)) and not isinstance(self.value, str):
            return _COMPARE[self.operator](actual, self.value)
        if self.operator == "!=":
            return actual != self.value
        return self.operator == "==" and actual == self.value


def is_result_name(key: object) -> bool:
    """Say whether a key is written as the names of results are."""
    return isinstance(key, str) and _KEY.fullmatch(key) is not None


def no_result(name: str) -> str:
    """Return a sentence about a name that no run has a result for."""
    near = nearest(name, RESULTS)
    hint = f"nearest: {near}" if near else f"accepted: {', '.join(RESULTS)}"
    return f"no result of a run has this name; {hint}"


def expectation(key: str, written: int | float | str) -> Expectation:
    """Return the parts of one line. Raises ValueError with a sentence."""
    if not is_result_name(key):
        raise ValueError("this cannot name a result; accepted: words as in outcome, radix_nodes")
    key = SHORT_NAMES.get(key, key)
    match = _WRITTEN.fullmatch(str(written))
    operator, text = (match[1] or "==", match[2]) if match else ("==", str(written))
    if key == "outcome":
        return _outcome(operator, text)
    if _NUMBER.fullmatch(text):
        return Expectation(key, operator, float(text) if "." in text else int(text))
    if "_bytes" in key:
        return Expectation(key, operator, parse_size(text))
    if "_ns" in key:
        return Expectation(key, operator, round(parse_time(text)))
    raise ValueError(f"'{written}' expects nothing; accepted: a number, as in 0 or '<= 3'")


def _outcome(operator: str, text: str) -> Expectation:
    if text not in OUTCOMES:
        raise ValueError(f"'{text}' is not an outcome; {one_of(OUTCOMES, text)}")
    if operator not in ("==", "!="):
        raise ValueError(f"outcomes have no order for '{operator}'; accepted: '==', '!='")
    return Expectation("outcome", operator, text)


class ExpectRule(FieldRule):
    """The mapping as written, once every line of it can be taken apart."""

    def check(self, value: object) -> dict[str, int | float | str]:
        if not isinstance(value, dict):
            raise ValueError(f"found {found(value)}; accepted: a mapping, as in {{failures: 0}}")
        broken: list[BrokenRule] = []
        for key, written in value.items():
            try:
                if isinstance(written, bool) or not isinstance(written, (int, float, str)):
                    raise ValueError(f"found {found(written)}; accepted: 0, '<= 3', completed")
                expectation(key, written)
            except ValueError as error:
                broken.append(((key,), str(error).removesuffix(".")))
        refuse_if(broken)
        return dict(value)

    def schema(self) -> JsonSchemaValue:
        number_or_text = {"anyOf": [{"type": "number"}, {"type": "string"}]}
        return {"type": "object", "additionalProperties": number_or_text}
