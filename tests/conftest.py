"""For all tests: what hypothesis may and may not judge."""

from __future__ import annotations

from hypothesis import settings

# No test says how long anything takes: the machine may have other things to do.
settings.register_profile("kho_sim", deadline=None)
settings.load_profile("kho_sim")
