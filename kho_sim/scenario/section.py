"""The base of all models of a scenario: frozen, strict, no unknown keys, and rules between keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from kho_sim.base.shortage import ensure_room

MODELS_BYTES = 48 << 20
"""Address space that the models of a scenario take, about 20 MiB, and to spare; without it pydantic
aborts the process."""
ensure_room(MODELS_BYTES)  # before the first model: each is made ready where it is defined

BrokenRule = tuple[tuple[str | int, ...], str]
"""The place of a broken rule inside its section (empty: the section itself), and a sentence."""


def refuse_if(broken: list[BrokenRule]) -> None:
    """Hand broken rules to pydantic as one error; ``findings`` takes them apart again."""
    if broken:
        raise PydanticCustomError("broken_rules", "rules are broken", {"broken": broken})


class Section(BaseModel):
    """One mapping of a scenario file."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )

    def broken_rules(self) -> Iterator[BrokenRule]:
        """Yield what is wrong between keys that are each fine; asked once all of them are read."""
        yield from ()

    @model_validator(mode="after")
    def _obey_rules(self) -> Self:
        refuse_if(list(self.broken_rules()))
        return self


def kind_of(section: type[Section]) -> str:
    """Return the word that ``kind`` has in one of the models that a list's entries pick from."""
    return str(get_args(section.model_fields["kind"].annotation)[0])


def sections_in(annotation: Any) -> list[type[Section]]:
    """Return the models that an annotation names, however deep inside."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for part in get_args(annotation) for section in sections_in(part)]
