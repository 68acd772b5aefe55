"""The words of a scenario are those that the model knows."""

from __future__ import annotations

from kho_sim.base import words
from kho_sim.chain.workload import WORKLOADS
from kho_sim.kho.extend import STRATEGIES
from kho_sim.memory.pages import INTERLEAVINGS
from kho_sim.platform.firmware import FIRMWARES
from kho_sim.platform.platform import PLATFORMS


def test_every_word_has_its_thing():
    assert list(words.PLATFORMS) == list(PLATFORMS)
    assert list(words.FIRMWARES) == list(FIRMWARES)
    assert set(words.STRATEGIES) == set(STRATEGIES)
    assert list(words.WORKLOADS) == list(WORKLOADS)
    assert set(words.WORKERS) == set(INTERLEAVINGS)


def test_a_platform_is_registered_by_its_own_name():
    assert all(platform.name == name for name, platform in PLATFORMS.items())
