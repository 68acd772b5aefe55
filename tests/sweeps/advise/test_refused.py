"""What advise cannot answer."""

from __future__ import annotations

import pytest

from kho_sim.base.errors import InputError
from kho_sim.scenario import loads
from kho_sim.sweeps.advise import advise


def test_a_chain_without_an_update_is_refused(tmp_path):
    scenario = loads("machine: {memory: 4GiB, cpus: 2}\nchain: {boots: 1}\n")
    with pytest.raises(InputError, match=r"chain\.boots: .* advice needs 2 or more"):
        advise(scenario, tmp_path / "runs", workers=0)
    assert not (tmp_path / "runs").exists()


def test_a_chain_whose_first_kernel_has_kho_off_is_refused(tmp_path):
    text = "machine: {memory: 4GiB, cpus: 2}\nkernel: {command_line: kho=off}\nchain: {boots: 2}\n"
    with pytest.raises(InputError, match=r"KHO is off in the first kernel \(7.3\)"):
        advise(loads(text), tmp_path / "runs", workers=0)
    assert not (tmp_path / "runs").exists()


def test_blocks_smaller_than_a_page_are_refused_as_those_of_the_option(tmp_path):
    text = (
        "machine: {platform: arm64, memory: 2GiB}\nkernel: {page_size: 64KiB}\nchain: {boots: 2}\n"
    )
    with pytest.raises(InputError, match=r"^shifts: blocks of 4KiB .*; accepted: 16 to 40"):
        advise(loads(text), tmp_path / "runs", workers=0, shifts=[12, 30])
    assert not (tmp_path / "runs").exists()
