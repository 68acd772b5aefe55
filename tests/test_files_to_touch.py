"""A new member of each family, added to a copy of the package, in as many files as is said."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "kho_sim"
GUIDE = ROOT / "docs" / "extending.md"
ROW = re.compile(r"^\| ([a-z ,-]+?) \| (\d) \| .* \|$", re.MULTILINE)
FILES_OF = {name: int(count) for name, count in ROW.findall(GUIDE.read_text(encoding="utf-8"))}

STRATEGY = """
from kho_sim.kho.extend.blocks import extend_around
from kho_sim.kho.extend.base import ExtendOptions, Extension


def extend(memblock, incoming, options, allocate_page, free_page):
    return extend_around(memblock, incoming, 21, allocate_page, free_page)
"""
RETRIEVAL = """
from kho_sim.kho.retrieve.one_call import retrieve
"""
SECTION = """class Pinboard(Section):
    \"\"\"Memory that is held.\"\"\"

    kind: Literal["pinboard"]
    size: Size
    \"\"\"Bytes.\"\"\"


Workload = Annotated["""
WORKLOAD = """
from kho_sim.chain.workload.base import Workload


class Pinboard(Workload):
    def arrive(self, kernel):
        kernel.memory.hold(self.section.size, movable=True)
"""
FIRMWARE = """
from functools import partial

from kho_sim.platform.firmware.e820 import qemu_machine

flat_machine = partial(qemu_machine, firmware="qemu-q35")
"""

ADDITIONS = {
    "strategy of the package": (
        {
            "kho/extend/mine.py": STRATEGY,
            "kho/extend/__init__.py": [
                ("    none,\n", "    none,\n    mine,\n"),
                ('    "none": ', '    "mine": Strategy(mine.extend),\n    "none": '),
            ],
            "base/words.py": [('    "none",\n', '    "none",\n    "mine",\n')],
        },
        "kernel: {extend: {strategy: mine}}",
    ),
    "retrieval of the package": (
        {
            "kho/retrieve/mine.py": RETRIEVAL,
            "kho/retrieve/__init__.py": [
                ("    collect_runs,\n", "    collect_runs,\n    mine,\n"),
                ('    "per-key": ', '    "mine": Retriever(mine.retrieve),\n    "per-key": '),
            ],
            "base/words.py": [('    "per-key",\n', '    "per-key",\n    "mine",\n')],
        },
        "kernel: {retrieval: mine}",
    ),
    "workload of the package": (
        {
            "chain/workload/pinboard.py": WORKLOAD,
            "chain/workload/__init__.py": [
                (
                    "from kho_sim.chain.workload.vms",
                    "from kho_sim.chain.workload.pinboard import Pinboard\n"
                    "from kho_sim.chain.workload.vms",
                ),
                ('    "vms": ', '    "pinboard": Pinboard,\n    "vms": '),
            ],
            "scenario/workloads.py": [
                ("Workload = Annotated[", SECTION),
                ("    Memfd |", "    Pinboard | Memfd |"),
            ],
            "base/words.py": [('    "vms",\n', '    "vms",\n    "pinboard",\n')],
        },
        "workload: [{kind: pinboard, size: 1MiB}]",
    ),
    "firmware": (
        {
            "platform/firmware/flat.py": FIRMWARE,
            "platform/firmware/__init__.py": [
                (
                    "from kho_sim.platform.firmware.e820 import qemu_machine\n",
                    "from kho_sim.platform.firmware.e820 import qemu_machine\n"
                    "from kho_sim.platform.firmware.flat import flat_machine\n",
                ),
                ('    "qemu-q35": ', '    "flat": flat_machine,\n    "qemu-q35": '),
            ],
            "base/words.py": [('"qemu-q35"', '"qemu-q35", "flat"')],
        },
        "machine: {memory: 2GiB, firmware: flat}",
    ),
    "release": ({"releases/9.9.toml": "releases/7.3.toml"}, 'kernel: {release: "9.9"}'),
    "build": ({"builds/mine.toml": "builds/lab.toml"}, "kernel: {build: mine}"),
}


@pytest.mark.parametrize("name", ADDITIONS)
def test_a_new_member_takes_as_many_files_as_the_guide_says(name, tmp_path):
    files, text = ADDITIONS[name]
    assert len(files) == FILES_OF[name]
    shutil.copytree(PACKAGE, tmp_path / "kho_sim", ignore=shutil.ignore_patterns("__pycache__"))
    for place, change in files.items():
        path = tmp_path / "kho_sim" / place
        if isinstance(change, list):
            content = path.read_text(encoding="utf-8")
            for old, new in change:
                assert content.count(old) >= 1, f"{place} has no {old}"
                content = content.replace(old, new, 1)
        else:
            source = PACKAGE / change
            content = source.read_text() if change.endswith(".toml") else change
        path.write_text(content, encoding="utf-8")
    machine = "" if text.startswith("machine") else "machine: {memory: 2GiB}\n"
    scenario = tmp_path / "s.yaml"
    scenario.write_text(f"{machine}{text}\nchain: {{boots: 2}}\n")
    done = subprocess.run(
        [sys.executable, "-m", "kho_sim", "run", "s.yaml", "--fail-on", "outcome != completed"],
        cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_other_rows_are_shown_elsewhere():
    """Plug-ins: test_plugins.py, kinds: kho/test_preserved_kinds.py and trace/test_schema.py."""
    assert FILES_OF.keys() - ADDITIONS.keys() == {
        "strategy, as a plug-in", "retrieval, as a plug-in", "workload, as a plug-in",
        "preserved kind", "kind of record",
    }  # fmt: skip
