"""The study that the patch leaves open: which block size, on which machine, for which workload.

Four workloads on machines from 1 GiB to 12 TiB. Each case is a chain with the patch's own blocks of
1 GiB; at its last boot every other way to extend scratch is tried on what that boot inherits, so
all comparisons are paired. A case is a run of an ordinary sweep, so the study is stored, goes on
where it was stopped, and runs on as many processors as there are.
"""

from kho_sim.study.cases import MACHINES, WORKLOADS, Machine
from kho_sim.study.running import Study, open_study, run_study

__all__ = ["MACHINES", "WORKLOADS", "Machine", "Study", "open_study", "run_study"]
