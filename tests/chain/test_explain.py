"""What explain says of the releases and builds of a chain's kernels, and what provenance keeps."""

from __future__ import annotations

import re

from kho_sim.builds import load_build
from kho_sim.chain import explain_scenario, run_scenario
from kho_sim.releases import load_release
from kho_sim.scenario import loads

CHAIN = """
machine: {memory: 4GiB}
kernel:
  command_line: swiotlb=1024
  image: 12MiB
  releases: [{}, {release: seed, initrd: 1MiB}, {}]
chain: {boots: 7, twin: false}
"""


def entry(lines: list[str], head: str) -> dict[str, list[str]]:
    """Return the values below a heading: name -> what stands behind it."""
    (start,) = [number for number, line in enumerate(lines) if line.startswith(head)]
    end = next(n for n in range(start + 1, len(lines)) if not lines[n].startswith("  "))
    return {line.split()[0]: line.split()[1:] for line in lines[start + 1 : end]}


def test_explain_names_every_release_and_build_with_the_source_of_each_value():
    lines = str(explain_scenario(loads(CHAIN))).splitlines()
    release = entry(lines, "Release 7.3, boots 0, 2, 3, 4 and 2 more: Linux 7.3")
    assert release.keys() == load_release("7.3").sources.keys()
    assert release["kho_compatible"] == [
        "kho-v4",
        *load_release().sources["kho_compatible"].split(),
    ]
    patch = entry(lines, "Release 7.3-patch-v2, boot 1: ")
    assert patch["luo.sessions.block_bytes"][0] == "65,536"
    assert patch["luo.sessions_at_start"][0] == "true"
    build = entry(lines, "Build lab, boots 0, 2, 3, 4 and 2 more: ")
    assert build.keys() == load_build().sources.keys()
    assert build["image_address"][0] == "0x1000000"
    assert " ".join(build["image_bytes"]) == "12,582,912 kernel.image of the scenario"
    assert " ".join(build["init_size_bytes"]) == "12,648,448 what image and brk take"
    assert " ".join(build["swiotlb_bytes"]) == "2,097,152 swiotlb= of the command line"
    assert build["brk_bytes"] == ["65,536", *load_build().sources["brk_bytes"].split()]


def test_of_another_build_only_what_differs_is_listed():
    lines = str(explain_scenario(loads(CHAIN))).splitlines()
    assert entry(lines, "Build lab, boot 1: ") == {
        "initrd_bytes": ["1,048,576", "kernel.initrd", "of", "the", "scenario"]
    }


def test_provenance_keeps_the_sources_of_releases_and_builds():
    trace = run_scenario(loads(CHAIN))
    assert trace.provenance["sources"] == {
        "release 7.3": load_release("7.3").sources,
        "release 7.3-patch-v2": load_release("7.3-patch-v2").sources,
        "build lab": load_build("lab").sources,
    }
    assert [boot.release for boot in trace["boots"]][:3] == ["7.3", "7.3-patch-v2", "7.3"]


def test_rates_have_units_and_blanks_between_them():
    lines = str(explain_scenario(loads(CHAIN))).splitlines()
    start = next(n for n, line in enumerate(lines) if line.split()[:2] == ["time", "of"])
    end = next(n for n, line in enumerate(lines) if "faster with threads" in line)
    rates = {line.split()[0]: re.split(" {2,}", line.strip()) for line in lines[start + 1 : end]}
    assert rates["keys_walked"][1:4] == ["2.5 ns", "4 ns", "8 ns"]
    assert rates["firmware_reset"][1:4] == ["1m 00s", "2m 00s", "5m 00s"]
    for _, *levels, source in rates.values():
        assert len(levels) == 3
        assert source.split(":")[0] in ("measured", "derived", "assumed")
