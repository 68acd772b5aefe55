"""Advice in its folder, beside the sweep of its chains: what makes the folder one of advice.

``advice.json`` is written when the search begins, without an answer, and again when it has ended.
"""

from __future__ import annotations

import json
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any

from kho_sim.base.checksums import with_checksum
from kho_sim.base.errors import EngineError, InputError
from kho_sim.base.files import atomic_write
from kho_sim.sweeps.advise.advice import Advice, Setup, Smallest, Trial
from kho_sim.sweeps.advise.areas import Areas, parse_areas
from kho_sim.sweeps.advise.document import KINDS, SCHEMA, SCHEMA_VERSION, advice_document
from kho_sim.sweeps.advise.evidence import Chain, ShiftRow
from kho_sim.sweeps.parts import UNFINISHED as UNFINISHED_FILES
from kho_sim.sweeps.store import read_document

FILE = "advice.json"
UNFINISHED = "unfinished"
PLAIN = tuple(field.name for field in fields(Advice) if field.name not in KINDS)
CHAIN = tuple(field.name for field in fields(Chain))


def is_advice(directory: str | PathLike[str]) -> bool:
    """Return whether a folder holds advice, finished or not."""
    return (Path(directory) / FILE).is_file()


def mark_unfinished(directory: Path) -> None:
    """Make a folder one of advice whose search has not ended."""
    head = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, "state": UNFINISHED}
    _write(directory, head)


def write_advice(advice: Advice) -> None:
    """Store advice in its folder. Raises EngineError."""
    _write(advice.directory, advice_document(advice))


def read_advice(directory: str | PathLike[str]) -> Advice:
    """Return the advice in a folder. Raises InputError if there is none, or none yet."""
    path = Path(directory) / FILE
    try:
        document = read_document(
            path,
            (SCHEMA, SCHEMA_VERSION),
            again="advise again into another folder",
            if_unread="; advise again",
        )
    except FileNotFoundError as error:
        raise InputError(f"{path} cannot be read: {error}; advise again") from error
    if document.get("state") == UNFINISHED:
        raise InputError(
            f"{directory}: the search for this advice has not ended; "
            "the same kho-sim advise goes on from there"
        )
    try:
        return _advice(document, Path(directory))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is damaged: {error}; advise again") from error


def _write(directory: Path, document: dict[str, Any]) -> None:
    text = json.dumps(with_checksum(document), indent=1)
    try:
        with atomic_write(directory / FILE, directory / UNFINISHED_FILES) as file:
            file.write(text.encode())
    except OSError as error:
        raise EngineError(f"{directory}: {error.strerror or error}") from error


def _advice(document: dict[str, Any], directory: Path) -> Advice:
    """Return the advice of a document as ``advice_document`` makes it."""
    step_bytes = document["step_bytes"]

    def areas(text: str | None) -> Areas | None:
        return parse_areas(text, step_bytes) if text else None

    def setup(row: dict[str, Any]) -> Setup:
        return Setup(areas(row["kho_scratch"]), row["strategy"], row["shift"])

    plain = {name: document[name] for name in PLAIN}
    return Advice(
        **plain,
        seeds=tuple(document["seeds"]),
        advised=setup(document["advised"]) if document["advised"] else None,
        smallest=tuple(
            Smallest(row["grade"], row["strategy"], areas(row["kho_scratch"]), row["complete"])
            for row in document["smallest"]
        ),
        shift_rows=tuple(ShiftRow(**row) for row in document["shift_rows"]),
        tried=tuple(parse_areas(text, step_bytes) for text in document["tried"]),
        trials=tuple(
            Trial(setup(row), row["seed"], Chain(**{name: row[name] for name in CHAIN}))
            for row in document["trials"]
        ),
        directory=directory,
    )
