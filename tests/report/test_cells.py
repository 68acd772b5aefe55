"""CSV that spreadsheets read as what it is."""

import csv
import io

import pandas as pd
import pytest

from kho_sim.cli.app import call
from kho_sim.report.cells import FORMULA_BEGINS, csv_text

HOSTILE = """
machine: {memory: 1GiB}
kernel:
  early:
  - {what: '=HYPERLINK("http://evil","x")', size: 4GiB, required: false}
  - {what: "+1+1", size: 4GiB, required: false}
  - {what: "-2+3", size: 4GiB, required: false}
  - {what: "@SUM(1)", size: 4GiB, required: false}
chain: {boots: 2, twin: false}
faults: [{kind: panic, boot: 1, phase: initcalls, message: "=1+1"}]
"""


@pytest.mark.parametrize("begin", [*FORMULA_BEGINS, "  ="])
@pytest.mark.parametrize("dtype", ["object", "string"])
def test_texts_that_look_like_formulas_get_an_apostrophe(begin, dtype):
    text = f"{begin}cmd|'/c calc'!A1"
    table = pd.DataFrame({text: pd.Series([text, None, "plain = text"], dtype=dtype)})
    rows = list(csv.reader(io.StringIO(csv_text(table), newline="")))
    assert rows == [[f"'{text}"], [f"'{text}"], [""], ["plain = text"]]


def test_a_carriage_return_ends_no_line():
    assert csv_text(pd.DataFrame({"a": ["one\r=two", "three\nfour"]})) == (
        'a\none\\r=two\n"three\nfour"\n'
    )


def test_numbers_stay_as_they_are():
    table = pd.DataFrame({"a": [-1, 2], "b": pd.array([-3, None], dtype="Int64"), "c": [-0.5, 1]})
    assert csv_text(table) == "a,b,c\n-1,-3,-0.5\n2,,1.0\n"


@pytest.mark.parametrize("table", ["allocations", "failures", "incidents"])
def test_no_cell_of_a_hostile_scenario_is_a_formula(table, tmp_path, capsys):
    (tmp_path / "s.yaml").write_text(HOSTILE)
    assert call(["report", str(tmp_path / "s.yaml"), "--format", "csv", "--table", table]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    cells = [cell for row in rows for cell in row]
    assert any(cell.startswith("'") for cell in cells)
    for cell in cells:
        assert not cell.startswith(("=", "+", "@")), cell
        assert not cell.startswith("-") or cell.removeprefix("-").isdigit(), cell
