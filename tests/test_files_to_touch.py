"""A new member of each family, added to a copy of the package, in as many files as is said."""

import os
import subprocess
import sys

import pytest

from tests.additions import FILES_OF, ROOT, add_to_a_copy

STRATEGY = """
from kho_sim.kho.extend.blocks import extend_around
from kho_sim.kho.extend.base import ExtendOptions, Extension


def extend(memblock, incoming, options, allocate_page, free_page):
    return extend_around(memblock, incoming, options.shift, allocate_page, free_page)
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
KIND = """
from kho_sim.kho.preserve.memfd import Memfd


class Mine(Memfd):
    name = "mine"
"""
USER_OF_A_KIND = """
from typing import Literal

import kho_sim as ks
from kho_sim.chain.workload import Workload
from kho_sim.scenario.fields import Size
from kho_sim.scenario.section import Section


class ShelfSection(Section):
    kind: Literal["shelf"]
    size: Size


class Shelf(Workload[ShelfSection]):
    def arrive(self, kernel):
        if self.name not in kernel.memory.files:
            kernel.memory.create("KIND", self.name, self.section.size)
        assert kernel.memory.files[self.name].kind == "KIND"

    def to_preserve(self, kernel):
        return [self.name]


ks.register_workload("shelf", ShelfSection, Shelf)
"""
SHELF = ["shelf", "--entry", "{kind: shelf, size: 2MiB}"]

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
KIND_OF_THE_PACKAGE = {
    "kho/preserve/mine.py": KIND,
    "kho/preserve/__init__.py": [
        (
            "from kho_sim.kho.preserve.outgoing",
            "from kho_sim.kho.preserve.mine import Mine\nfrom kho_sim.kho.preserve.outgoing",
        ),
        ('    "memfd": ', '    "mine": Mine(),\n    "memfd": '),
    ],
}
PLUG_INS = {
    "strategy, as a plug-in": (
        f'{STRATEGY}\nimport kho_sim as ks\n\nks.register_strategy("mine", extend)\n',
        ["mine"],
    ),
    "retrieval, as a plug-in": (
        f'{RETRIEVAL}\nimport kho_sim as ks\n\nks.register_retrieval("mine", retrieve)\n',
        ["mine"],
    ),
    "workload, as a plug-in": (USER_OF_A_KIND.replace("KIND", "memfd"), SHELF),
}


@pytest.mark.parametrize("name", ADDITIONS)
def test_a_new_member_takes_as_many_files_as_the_guide_says(name, tmp_path):
    files, text = ADDITIONS[name]
    assert len(files) == FILES_OF[name]
    add_to_a_copy(files, tmp_path)
    machine = "" if text.startswith("machine") else "machine: {memory: 2GiB}\n"
    scenario = tmp_path / "s.yaml"
    scenario.write_text(f"{machine}{text}\nchain: {{boots: 2}}\n")
    run_module(
        ["kho_sim", "run", "s.yaml", "--fail-on", "outcome != completed"], tmp_path, tmp_path
    )


def test_a_new_preserved_kind_takes_as_many_files_as_the_guide_says(tmp_path):
    """A workload of the user makes objects of the kind; the package has no other way to ask."""
    assert len(KIND_OF_THE_PACKAGE) == FILES_OF["preserved kind"]
    add_to_a_copy(KIND_OF_THE_PACKAGE, tmp_path)
    (tmp_path / "my_plugins.py").write_text(USER_OF_A_KIND.replace("KIND", "mine"))
    run_module(["kho_sim.contracts", *SHELF, "--import", "my_plugins"], tmp_path, tmp_path)


@pytest.mark.parametrize("name", PLUG_INS)
def test_a_plug_in_takes_as_many_files_as_the_guide_says(name, tmp_path):
    """The package stays as it is: these modules are all that is beside it."""
    module, arguments = PLUG_INS[name]
    (tmp_path / "my_plugins.py").write_text(module)
    assert len(list(tmp_path.iterdir())) == FILES_OF[name]
    run_module(["kho_sim.contracts", *arguments, "--import", "my_plugins"], tmp_path, ROOT)


def run_module(arguments, directory, home_of_the_package):
    """Run a module of the package that lies in a directory; it ends without an error."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=directory, capture_output=True, text=True,
        env={"PYTHONPATH": f"{home_of_the_package}{os.pathsep}{directory}"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_row_is_shown():
    """A kind of record is added in trace/test_schema.py, which reads its number of files."""
    assert FILES_OF.keys() == {
        *ADDITIONS, *PLUG_INS, "preserved kind", "kind of record",
    }  # fmt: skip
