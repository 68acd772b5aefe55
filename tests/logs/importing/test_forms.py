"""Logs of one machine in the forms that tools, mailers and old kernels give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kho_sim.base.errors import TraceError
from kho_sim.logs.importing import import_files

DATA = Path(__file__).with_name("data")
FORMS = (
    "short-monotonic",
    "short-precise",
    "dmesg-H",
    "dmesg-xT",
    "dmesg-time-format-iso",
    "mail-wrapped",
    "quoted-printable",
)


@pytest.mark.parametrize("form", FORMS)
def test_the_machine_is_the_same_in_every_form(form):
    found = import_files([DATA / f"{form}.log"])
    plain = import_files([DATA / "ordinary.log"])
    assert found.scenario["machine"] == plain.scenario["machine"]
    assert found.scenario["kernel"] == plain.scenario["kernel"]
    assert found.disagreements == ()


def test_old_entries_of_the_map_end_at_their_second_address():
    machine = import_files([DATA / "old-e820-format.log"]).scenario["machine"]
    assert machine["memory_map"] == [
        {"start": 0, "end": 0x9C400},
        {"start": 0x100000, "end": 0xBF7A0000},
        {"start": 0x100000000, "end": 0x440000000},
    ]


def test_hotplug_cpus_are_possible(put):
    text = (DATA / "hotplug-cpus.log").read_text()
    machine = import_files([DATA / "hotplug-cpus.log"]).scenario["machine"]
    assert (machine["cpus"], machine["present_cpus"]) == (128, 4)
    without_ids = "\n".join(line for line in text.splitlines() if "nr_cpu_ids" not in line)
    assert import_files([put("a.log", without_ids)]).scenario["machine"]["cpus"] == 128
    limited = text.replace("nr_cpu_ids:128", "nr_cpu_ids:2")
    assert import_files([put("b.log", limited)]).scenario["machine"]["cpus"] == 2


def test_a_file_without_a_kernel_message_is_refused_with_its_lines(put):
    with pytest.raises(TraceError, match=r"unknown: 'Dear list,'; unknown: 'it does not boot\.'"):
        import_files([put("mail", "Dear list,\n\nit does not boot.\n")])
