"""What KHO costs the hosts that people wrote about (docs/cost.md), held to what they saw."""

from pathlib import Path

import pytest

import kho_sim as ks
from kho_sim.scenario import with_values

GIB, MIB, KIB = 1 << 30, 1 << 20, 1 << 10
SCENARIOS = Path(__file__).parents[2] / "scenarios"

DROPLET = """
description: a droplet, which shows MemTotal of 1675908 kB and CmaFree of 317272 kB
machine: {memory: 1700MiB, cpus: 1}
kernel:
  build: distro
  release: "7.0"
  image: 36MiB
  initrd: 22MiB
  command_line: kho=on nokaslr
chain: {boots: 2}
"""
"""Image and initrd are not known; these were chosen so that CmaFree comes out, and predict
nothing: what the test holds is that one choice explains both figures."""


@pytest.fixture(scope="module")
def workstation():
    return ks.cost(SCENARIOS / "arm64-workstation.yaml")


def test_the_workstation_has_its_scratch_to_the_byte(workstation):
    found = workstation.configured
    assert [size // MIB for _, size in found.scratch_areas] == [192, 4794, 4600]
    assert found.scratch_bytes / GIB == pytest.approx(9.36, abs=0.005)
    assert found.meminfo.mem_total_bytes / GIB == pytest.approx(121.7, abs=0.05)
    assert found.meminfo.cma_total_bytes == 32 * MIB
    assert found.meminfo.cma_free_bytes / GIB == pytest.approx(9.4, abs=0.1)


def test_the_workstation_stops_near_110_gib_of_kernel_memory_and_pins(workstation):
    """Pins failed there at 108 GiB that were committed, beside what its system held."""
    found = workstation.configured
    assert 108 <= found.pinned_ceiling_bytes / GIB < found.unmovable_ceiling_bytes / GIB < 112
    lost = workstation.off.unmovable_ceiling_bytes - found.unmovable_ceiling_bytes
    assert lost == pytest.approx(found.scratch_bytes, rel=0.01)
    # Without the extension the least is what the linear map and the sections of all memory take.
    assert workstation.least_scratch.unmovable_ceiling_bytes / GIB == pytest.approx(118.8, abs=0.5)


def test_a_database_on_800_mib_loses_a_sixth():
    """233,864K were reserved with KHO there and 96,588K without, 134 MiB less."""
    found = ks.cost(SCENARIOS / "arm64-vm-800mib.yaml")
    assert found.configured.scratch_bytes == pytest.approx(134 * MIB, rel=0.06)
    lost = found.off.unmovable_ceiling_bytes - found.configured.unmovable_ceiling_bytes
    assert 1 / 6 < lost / (800 * MIB) < 1 / 5
    assert found.least_scratch.scratch_bytes <= 24 * MIB


def test_a_droplet_with_a_kernel_of_a_distribution_has_310_mib_of_free_cma():
    said = ks.cost(ks.loads(DROPLET)).configured.meminfo
    assert said.mem_total_bytes == pytest.approx(1_675_908 * KIB, rel=0.01)
    assert said.cma_free_bytes == pytest.approx(317_272 * KIB, rel=0.05)
    assert said.cma_total_bytes == 0


def test_a_build_of_a_laboratory_is_too_small_for_the_droplet():
    small = with_values(ks.loads(DROPLET), {"kernel.image": None, "kernel.initrd": None})
    assert ks.cost(small).configured.meminfo.cma_free_bytes < 200 * MIB
