"""The study that the patch leaves open: which block size, on which machine, for which workload.

Four workloads on machines from 1 GiB to 12 TiB. Each case is a chain with the patch's own blocks of
1 GiB; at its last boot every other strategy is tried on what that boot inherits, so all comparisons
are paired. The cases are the runs of one ordinary sweep, so the study is stored, goes on where it
was stopped, and runs on as many processors as there are.
"""
