"""Calls that do not keep their owner alive."""

import weakref

import pytest

from kho_sim.base.errors import ModelError
from kho_sim.base.weak import weakly


class Owner:
    def doubled(self, number):
        return 2 * number


def test_a_weak_call_works_as_long_as_its_owner_is_there():
    owner = Owner()
    call, seen = weakly(owner.doubled), weakref.ref(owner)
    assert call(3) == call(number=3) == 6
    del owner
    assert seen() is None
    with pytest.raises(ModelError, match="gone"):
        call(3)
