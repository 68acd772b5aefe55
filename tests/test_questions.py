"""The six questions of README are answered by one command each, as it stands there."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path

import pytest

from kho_sim.cli.app import call
from kho_sim.logs.importing import this_machine

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| ([^|]+\?) \| `kho-sim ([^`]+)`", re.MULTILINE)
ANSWERS = {
    "Will it survive?": "With the extension     completed: all 3 kernels came up",
    "How much scratch?": "kho_scratch=",
    "What does it cost me, if I never update?": "Whether a chain with its workloads survives",
    "Which block size?": "What if, on what each boot inherits",
    "How long is the blackout?": "Blackout  ",
    "And my own machine?": "KHO takes ",
}
"""Question -> words of its answer."""


def questions(page: str) -> dict[str, str]:
    """Question -> command line after ``kho-sim``, as a page has them."""
    return dict(ROW.findall((ROOT / page).read_text(encoding="utf-8")))


def test_readme_and_the_first_page_of_the_documentation_ask_the_same_six() -> None:
    assert list(questions("README.md")) == list(ANSWERS)
    assert questions("docs/index.md") == questions("README.md")


@pytest.mark.parametrize("question", ANSWERS)
def test_a_question_is_answered_by_its_command(
    question: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "scenarios").symlink_to(ROOT / "scenarios")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        this_machine.import_this_machine, "__defaults__", (machine(tmp_path / "root"),)
    )
    assert call(shlex.split(questions("README.md")[question])) == 0
    assert ANSWERS[question] in capfd.readouterr().out


def machine(root: Path) -> Path:
    """A root folder with the files that a kernel shows of a machine of 4 GiB."""
    files = {
        "proc/iomem": "00001000-0009fbff : System RAM\n00100000-bfffffff : System RAM\n"
        "100000000-13fffffff : System RAM\n",
        "proc/cmdline": "kho=on quiet\n",
        "proc/sys/kernel/osrelease": "7.3.1\n",
        "sys/devices/system/cpu/possible": "0-3\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_the_first_sweep_shows_failures_that_the_extension_avoids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    first = re.findall(r"^    kho-sim (sweep .*)$", readme, re.MULTILINE)[0]
    scenario, axes = shlex.split(first)[1], shlex.split(first)[2:]
    assert "kernel.extend.shift=21..36" in axes
    monkeypatch.chdir(ROOT)
    ends = ["-x", "kernel.extend.shift=30,36", "--workers", "0", "-o", str(tmp_path / "ends")]
    assert call(["sweep", scenario, *ends]) == 0
    capsys.readouterr()
    assert call(["report", str(tmp_path / "ends"), "--format", "csv"]) == 0
    rows = csv.DictReader(capsys.readouterr().out.splitlines())
    by_shift = {row["kernel.extend.shift"]: row for row in rows}
    assert by_shift["30"]["failures_avoided"] == "30"
    assert by_shift["30"]["failures"] == "0"
    assert by_shift["36"]["failures_without_extension"] == "30"
    assert by_shift["36"]["failures"] == "27"
