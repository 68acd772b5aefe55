"""A host of 4 GiB whose scratch is large, and its first kernel when user space begins."""

import random

import kho_sim as ks
from kho_sim.chain.build import build_plan
from kho_sim.kernel.boot import boot_memory
from kho_sim.kernel.running import RunningMemory

HOST = ks.loads("""
machine: {memory: 4GiB, cpus: 2}
kernel: {command_line: "kho=on kho_scratch=64M,512M,512M"}
chain: {boots: 2, seed: 5, uptime: 1h, twin: false}
""")


def booted():
    plan = build_plan(HOST)
    early = boot_memory(plan.machine, plan.kernels[0], None)
    return RunningMemory.start(
        plan.machine, plan.kernels[0], early, None, plan.interleaving, random.Random(1)
    )
