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
