"""The words of a scenario are those that the model knows."""

from __future__ import annotations

from kho_sim.base import words
from kho_sim.builds import BUILDS, PAGE_BYTES, load_build
from kho_sim.chain.workload import WORKLOADS
from kho_sim.kho.extend import STRATEGIES
from kho_sim.machine import Machine
from kho_sim.memory.pages import INTERLEAVINGS
from kho_sim.platform.firmware import FIRMWARES
from kho_sim.platform.geometry import GEOMETRIES, PAGES_4K
from kho_sim.platform.platform import PLATFORMS


def test_every_word_has_its_thing():
    assert list(words.PLATFORMS) == list(PLATFORMS)
    assert list(words.FIRMWARES) == list(FIRMWARES)
    assert {name: tuple(pages) for name, pages in PLATFORMS.items()} == words.PAGE_SIZES
    assert {name: tuple(pages) for name, pages in GEOMETRIES.items()} == words.PAGE_SIZES
    assert {load_build(name).platform for name in BUILDS} == set(words.PLATFORM_BUILDS)
    assert set(words.PLATFORM_BUILDS.values()) <= set(BUILDS)
    assert set(words.STRATEGIES) == set(STRATEGIES)
    assert list(words.WORKLOADS) == list(WORKLOADS)
    assert set(words.WORKERS) == set(INTERLEAVINGS)


def test_rooms_below_the_geometry_take_pages_of_4_kib_for_granted():
    """They may not ask it; whoever says nothing of pages has these."""
    assert PAGE_BYTES == Machine((), ()).page_bytes == PAGES_4K.page_bytes


def test_a_platform_is_registered_by_its_own_name():
    for name, by_page_size in PLATFORMS.items():
        for page_bytes, platform in by_page_size.items():
            assert (platform.name, platform.geometry.page_bytes) == (name, page_bytes)
