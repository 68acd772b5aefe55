"""What a user may write: a type checker in strict mode has to see through every line of it.

``test_types.py`` runs mypy on this file and on changed copies; it is never imported.
"""

from pathlib import Path

import kho_sim as ks

scenario = ks.load("scenarios/seed-case-2.yaml")
trace = ks.run(scenario, seed=7)
last_boot: int = trace.outcome.boot
outcome: str = ks.run(Path("scenarios/seed-case-1.yaml")).outcome.kind
swept = ks.sweep(scenario, {"kernel.extend.shift": range(21, 37)}, out="runs/shift")
counts: dict[str, int] = swept.counts()
stored: ks.Sweep | ks.Trace = ks.open("runs/shift")
ks.save(trace, "runs/first")
figure = ks.plots.memory_map(ks.read_log("boot.log.xz"))
text: str = str(ks.explain("scenarios/seed-case-2.yaml"))
smallest: str = repr(ks.advise(scenario).advised)
logs: int = ks.verify(["boot.log.xz"]).document["totals"]["logs"]
mine: ks.Scenario = ks.import_machine(["boot.log.xz"]).to_scenario()
digest: str = trace.digest
