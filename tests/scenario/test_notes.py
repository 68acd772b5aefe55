"""Notes on a scenario: what is left out is said, at its place, and the scenario stays valid."""

from pathlib import Path

import pytest

from kho_sim.releases import load_release
from kho_sim.scenario import loads
from kho_sim.scenario.loader import load_with_notes
from kho_sim.scenario.notes import ASSUMED, DRAWN, NO_EXTENSION, NO_UPDATE, notes_of
from kho_sim.scenario.yaml_tree import path_text

MACHINE = "machine: {memory: 4GiB}\n"


def places(folder: Path, text: str) -> list[tuple[int, int, str]]:
    path = folder / "scenario.yaml"
    path.write_text(text)
    return [(n.line, n.column, n.path) for n in load_with_notes(path)[1]]


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("kernel: {command_line: kho=on acpi=256}", 31),
        ('kernel: {command_line: "kho=on acpi=256"}', 32),
        ("kernel: {command_line: 'kho=on  acpi=256 mem=', release: 7.3}", 33),
    ],
)
def test_a_note_stands_at_its_word(tmp_path: Path, line: str, column: int) -> None:
    found = places(tmp_path, f"{MACHINE}{line}\n")
    assert found[0] == (2, column, "kernel.command_line")


def test_a_note_on_a_folded_line_stands_at_its_value(tmp_path: Path) -> None:
    text = f"{MACHINE}kernel:\n  command_line: >-\n    kho=on\n    acpi=256\n"
    assert places(tmp_path, text) == [(3, 17, "kernel.command_line")]


def test_each_kernel_of_a_chain_has_its_own_notes(tmp_path: Path) -> None:
    text = (
        f"{MACHINE}kernel:\n  command_line: kho=on\n"
        "  releases:\n  - {}\n  - {command_line: kho=on memtest=2}\n"
    )
    assert places(tmp_path, text) == [(6, 27, "kernel.releases[1].command_line")]


def test_a_line_beside_a_profile_is_noted_in_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "build.yaml").write_text("image: 9MiB\n")
    text = f"{MACHINE}kernel: {{profile: build.yaml, command_line: acpi=1}}\n"
    assert places(tmp_path, text) == [(2, 45, "kernel.command_line")]


def test_huge_pages_that_the_kernel_refuses_are_noted() -> None:
    notes = notes_of(loads(f"{MACHINE}kernel: {{command_line: hugepagesz=3M hugepages=5}}\n"))
    assert notes
    assert "the kernel says: HugeTLB" in notes[0].text


def test_a_chain_of_one_kernel_has_no_update() -> None:
    notes = notes_of(loads(f"{MACHINE}chain: {{boots: 1}}\n"))
    assert [(note.path, note.kind) for note in notes] == [(("chain", "boots"), NO_UPDATE)]
    assert not notes_of(loads(f"{MACHINE}chain: {{boots: 2}}\n"))


def test_what_a_release_does_otherwise_is_noted_once_where_it_is_named() -> None:
    scenario = loads(
        f"{MACHINE}kernel: {{release: '7.3', releases: [{{release: '7.2'}}, {{release: '7.2'}}]}}\n"
    )
    notes = notes_of(scenario)
    assert {note.path for note in notes} == {("kernel", "releases", 0, "release")}
    assert [note.text for note in notes] == [
        f"release 7.2: {text}" for text in load_release("7.2").not_modelled
    ]
    assert notes_of(loads(f"{MACHINE}kernel: {{release: '7.3'}}\n")) == ()


def test_a_strategy_that_a_release_does_not_have_is_noted() -> None:
    kernel = "kernel: {release: '7.2', extend: {strategy: blocks}}\n"
    kinds = [note.kind for note in notes_of(loads(f"{MACHINE}{kernel}"))]
    assert kinds[-1] == NO_EXTENSION
    none = kernel.replace("blocks", "none")
    assert NO_EXTENSION not in [note.kind for note in notes_of(loads(f"{MACHINE}{none}"))]
    by_default = "kernel: {release: '7.2'}\n"
    assert NO_EXTENSION not in [note.kind for note in notes_of(loads(f"{MACHINE}{by_default}"))]


@pytest.mark.parametrize(
    ("kernel", "place"),
    [
        ("{build: distro}", (2, 17, "kernel.build")),
        ("{kaslr: true}", (2, 17, "kernel.kaslr")),
        ("{build: distro, kaslr: false}", None),
        ("{build: distro, command_line: nokaslr}", None),
        ("{build: distro, placed: [{image: 0x1000000}]}", None),
        ("{build: lab}", None),
    ],
)
def test_what_chance_decides_stands_at_what_switches_it_on(tmp_path: Path, kernel, place) -> None:
    text = f"machine: {{memory: 4GiB}}\nkernel: {kernel}\n"
    found = [note for note in notes_of(loads(text)) if note.kind == DRAWN]
    assert bool(found) == (place is not None)
    if place:
        assert place in places(tmp_path, text)


def test_what_is_assumed_of_a_firmware_stands_at_its_name(tmp_path: Path) -> None:
    text = "machine: {memory: 4GiB, firmware: ovmf-q35}\n"
    assert places(tmp_path, text)[0] == (1, 35, "machine.firmware")
    assert [note.kind for note in notes_of(loads(text))] == [ASSUMED, ASSUMED]
    assert not notes_of(loads(text.replace("ovmf", "qemu")))


@pytest.mark.parametrize(
    ("machine", "kernel", "expected"),
    [
        ("firmware: ovmf-q35, memory: 4GiB", "{}", True),
        ("firmware: ovmf-q35, memory: 4GiB", "{build: distro, kaslr: false}", False),
        ("firmware: ovmf-q35, memory: 4GiB", "{config: {efi: true}}", False),
        ("firmware: qemu-q35, memory: 4GiB", "{}", False),
        ("memory_map: [{start: 0, end: 1GiB, kind: conventional}]", "{}", True),
        ("memory_map: [{start: 0, end: 1GiB}], efi: {runtime_ranges: 6}", "{}", True),
        ("memory_map: [{start: 0, end: 1GiB}]", "{}", False),
    ],
)
def test_a_build_without_efi_on_a_machine_with_it_is_said(machine, kernel, expected) -> None:
    found = notes_of(loads(f"machine: {{{machine}}}\nkernel: {kernel}\n"))
    assert any("is not made for EFI" in note.text for note in found) == expected


def test_early_memory_with_an_owner_and_huge_folios_are_noted_at_their_words() -> None:
    scenario = loads("""
machine: {memory: 4GiB}
kernel: {early: [{what: a, size: 1MiB}, {what: b, size: 1MiB, preserve: true}]}
workload:
- {kind: memfd, size: 4MiB}
- {kind: memfd, size: 4MiB, folio: 4KiB}
- {kind: vms, count: 1, size: 4MiB, folio: 2MiB}
chain: {boots: 2}
""")
    found = [(path_text(note.path), note.kind) for note in notes_of(scenario)]
    assert found == [
        ("kernel.early[1].preserve", "assumed"),
        ("workload[2].folio", "not modelled"),
    ]
