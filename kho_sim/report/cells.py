"""A table as CSV whose texts no spreadsheet takes for formulas.

Left out: telling what was changed; a text that began with such a character has an apostrophe before
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

FORMULA_BEGINS = ("=", "+", "-", "@", "\t")


def csv_text(table: pd.DataFrame) -> str:
    """Return a table as CSV without its index; texts and names of columns are neutral, numbers stay
    as they are."""
    neutral = table.rename(columns=_neutral)
    for position, dtype in enumerate(table.dtypes):
        if str(dtype) in ("object", "string", "str"):
            neutral.isetitem(position, table.iloc[:, position].map(_neutral, na_action="ignore"))
    return str(neutral.to_csv(index=False))


def _neutral(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    # pandas puts no quotes around a carriage return, which ends a line for most readers.
    text = value.replace("\r", "\\r")
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_BEGINS) else text
