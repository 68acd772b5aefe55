"""Colours of a terminal: three words, and none of them carries what the text does not say."""

from __future__ import annotations

from dataclasses import dataclass

_CODES = {"good": "32", "bad": "1;31", "faint": "2"}


@dataclass(frozen=True, slots=True)
class Paint:
    """Puts colour around text if ``on``, else leaves it alone."""

    on: bool = False

    def __call__(self, text: str, word: str) -> str:
        """Return the text in the colour of ``word`` (good, bad, faint; '' is plain)."""
        return f"\033[{_CODES[word]}m{text}\033[0m" if self.on and word else text
