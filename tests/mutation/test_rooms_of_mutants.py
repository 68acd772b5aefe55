"""Rooms of mutants name modules and tests that are there."""

from pathlib import Path

import pytest

from tests.mutation.rooms import ROOMS

REPO = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ROOMS)
def test_modules_and_tests_of_a_room_are_there(name):
    room = ROOMS[name]
    assert [module for module in room.modules if not list(REPO.glob(f"kho_sim/{module}"))] == []
    assert [test for test in room.tests if not (REPO / test).exists()] == []
