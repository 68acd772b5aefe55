"""Broken versions that the random worlds of each platform and each release must catch.

What is checked of a world is the same everywhere (``tests/fuzz/test_worlds.py``); here is shown
that it bites everywhere. Releases without LUO hand over only what the kernel itself preserves, and
those without the patch have no extension to break.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kho_sim.base.errors import KhoSimError
from kho_sim.kho.extend import STRATEGIES
from kho_sim.kho.retrieve import RETRIEVALS
from kho_sim.memory.pages import PageAllocator
from kho_sim.releases import DEFAULT_RELEASE, RELEASES, load_release
from tests.canaries import broken_versions
from tests.canaries.test_canaries import put_in_place
from tests.fuzz.scenarios import GIB, MIB
from tests.fuzz.test_worlds import PLATFORMS, SHIFTS, check_world

WORLDS = [
    *((platform, DEFAULT_RELEASE) for platform in PLATFORMS),
    *(("x86_64", release) for release in sorted(RELEASES) if release != DEFAULT_RELEASE),
]


def world(platform: str, release: str) -> dict:
    machine, kernel = PLATFORMS[platform]
    memory = 9 * GIB if "page_size" in kernel else 3 * GIB
    extend = {"strategy": "blocks", "shift": 27}
    return {
        "machine": {"memory": memory, **machine},
        "kernel": {"extend": extend, "release": release, **kernel},
        "workload": [{"kind": "memfd", "size": 33 * MIB, "count": 3}],
        "chain": {"boots": 3},
        "what_if": [{"strategy": "blocks", "shifts": SHIFTS}],
    }


def canaries_of(release: str) -> Iterator[tuple]:
    rules = load_release(release)
    yield broken_versions.skips_the_last_preservation, [(RETRIEVALS, "per-key")]
    if rules.luo:
        yield broken_versions.hands_out_a_page_twice, [(PageAllocator, "alloc")]
    if rules.extends_scratch:
        yield broken_versions.marks_all_memory, [(STRATEGIES, "blocks")]


CANARIES = [
    pytest.param(*one, *canary, id=f"{'-'.join(one)}-{canary[0].__name__}")
    for one in WORLDS
    for canary in canaries_of(one[1])
]


@pytest.mark.parametrize(("platform", "release"), WORLDS, ids=["-".join(one) for one in WORLDS])
def test_the_world_is_sound(platform, release):
    assert check_world(world(platform, release)) == "completed"


@pytest.mark.parametrize(("platform", "release", "broken", "places"), CANARIES)
def test_a_broken_version_is_caught(monkeypatch, platform, release, broken, places):
    put_in_place(monkeypatch, broken, places)
    with pytest.raises((AssertionError, KhoSimError)):
        check_world(world(platform, release))
