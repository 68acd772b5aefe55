"""For all tests: what hypothesis may judge, and how much it does."""

from __future__ import annotations

import signal
import threading

from hypothesis import Phase, settings

# A shell's background job ignores SIGINT, and so would the programs that tests start.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test says how long anything takes: the machine may have other things to do.
settings.register_profile("kho_sim", deadline=None)
settings.register_profile(
    "mutants",
    phases=[Phase.explicit, Phase.generate],  # a failure is enough, the smallest one not needed
    max_examples=10,  # of tests that follow it
    derandomize=True,
    database=None,
    deadline=None,
)
settings.load_profile("kho_sim")
