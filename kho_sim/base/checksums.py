"""Checksums of what is stored: SHA-256 of a file's bytes, and of a JSON document inside itself.

They find damage by chance, as flipped bits and torn pages. Left out: protection from somebody who
changes a file and its checksum together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

KEY = "sha256"
"""The key of a document that holds the checksum of all its other keys."""


def sha256(*pieces: bytes | memoryview) -> str:
    """Return the SHA-256 of bytes, piece after piece, as hex digits."""
    checksum = hashlib.sha256()
    for piece in pieces:
        checksum.update(piece)
    return checksum.hexdigest()


def with_checksum(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document of JSON values with its checksum under ``KEY``."""
    return {**document, KEY: _checksum(document)}


def has_its_checksum(document: Mapping[str, Any]) -> bool:
    """Return whether a document that was read is, value by value, the one that was written."""
    return document.get(KEY) == _checksum(document)


def _checksum(document: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in document.items() if key != KEY}
    return sha256(json.dumps(rest, sort_keys=True).encode())
