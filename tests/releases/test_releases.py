"""Every data file of a release loads, says where its values are from, and can be named."""

from __future__ import annotations

import pytest

from kho_sim.releases import (
    DEFAULT_RELEASE,
    EVIDENCE,
    FOLDER,
    RELEASES,
    ListLayout,
    load_release,
    nearest_release,
    release_of,
)

KIB = 1 << 10
NEEDED = {
    "evidence",
    "kho_compatible",
    "kexec_metadata",
    "extends_scratch",
    "gigantic_pages_avoid_scratch",
    "scratch.gigantic_pages_count",
    "scratch.aligned_to_largest_block",
    "scratch.explicit_sizes_rounded",
    "scratch.global_excludes_rounded_lowmem",
    "scratch.given_late",
    "scratch.on_nodes_without_memory",
    "struct_pages_deferred",
    "gigantic_pages_before_sizing",
    "memmap_failure_is_said",
    "restores_gigantic_blocks",
    "sizes_have_64_bits",
    "checksum",
    "fdt_page_freed",
    "scratch_option",
    "on_by_default",
    "debugfs",
    "tracker.finalized",
}
NEEDED_OF_LUO = {
    "luo.compatible",
    "luo.memfd_compatible",
    "luo.unknown_file_refuses_device",
    "luo.flb",
    "luo.sessions_at_start",
    *(
        f"luo.{of}.{key}"
        for of in ("sessions", "files")
        for key in ("record_bytes", "header_bytes", "blocks_max")
    ),
}
OPTIONAL = {
    "aliases",
    "known_faults",
    "not_modelled",
    "tracker.bitmap_bytes",
    "luo.sessions.block_bytes",
    "luo.files.block_bytes",
}


@pytest.mark.parametrize("name", RELEASES)
def test_a_release_has_every_rule_and_its_source(name):
    release = load_release(name)
    assert release.name == name
    needed = NEEDED | NEEDED_OF_LUO if release.luo else NEEDED
    assert needed <= set(release.sources) <= needed | OPTIONAL
    assert release.evidence in EVIDENCE
    assert release.tracker.finalized in ("by hand", "at the reboot", "never")
    assert all(source.strip() for source in release.sources.values())


def test_the_releases_are_the_files_of_the_folder():
    assert set(RELEASES) == {file.stem for file in FOLDER.iterdir() if file.suffix == ".toml"}
    assert DEFAULT_RELEASE in RELEASES


@pytest.mark.parametrize("name", RELEASES)
def test_names_and_aliases_lead_to_one_release_each(name):
    release = load_release(name)
    others = {alias for other in RELEASES if other != name for alias in load_release(other).aliases}
    assert release_of(name) == name
    for alias in release.aliases:
        assert release_of(alias) == name
        assert alias not in others
        assert alias not in RELEASES


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("7.3.4", "7.3"),
        ("7.3-rc7", "7.3"),
        ("7.3-rc7-00012-g0123abc", "7.3"),
        ("7.3.0-rc7+", "7.3"),
        ("7.3.0-1-amd64", "7.3"),
        ("7.3.4-300.fc45.x86_64", "7.3"),
        ("seed", "7.3-patch-v2"),
        ("7.3-patch-v3", ""),
        ("7.30", ""),
        ("7.3.", ""),
        ("7.3.4 ", ""),
        ("7.3\n", ""),
        ("v7.3", ""),
        ("17.3", ""),
        ("7.3.x", ""),
        ("99.1.0-29-generic", ""),
        ("6.16.12", "6.16"),
        ("7.0.0-30-generic", "7.0"),
        ("6.12.0-1-amd64", ""),
        ("", ""),
    ],
)
def test_versions_name_the_release_that_they_begin_with(text, release):
    assert release_of(text) == release


@pytest.mark.parametrize(
    ("known", "text", "nearest"),
    [
        (("6.19", "7.0", "7.3"), "7.1.0-29-generic", "7.0"),
        (("6.19", "7.0", "7.3"), "7.2.12", "7.3"),
        (("6.19", "7.0", "7.2"), "7.1", "7.2"),
        (("6.16", "6.19", "7.0", "7.3"), "6.1.99", "6.16"),
        (("6.16", "7.3", "7.3-patch-v2"), "99.1", "7.3"),
        (("7.0", "7.1", "7.2", "7.3"), "6.12", "7.0"),
        (("7.3", "7.3-patch-v2"), "next", "7.3"),
    ],
)
def test_the_nearest_release_is_by_number_and_the_later_of_two(monkeypatch, known, text, nearest):
    monkeypatch.setattr("kho_sim.releases.RELEASES", known)
    assert nearest_release(text) == nearest


@pytest.mark.parametrize(
    ("release", "of", "page", "order", "records"),
    [
        ("7.3", "sessions", 4 * KIB, 0, 51),
        ("7.3", "files", 4 * KIB, 0, 63),
        ("7.3", "sessions", 16 * KIB, 0, 204),
        ("7.3", "sessions", 64 * KIB, 0, 819),
        ("7.2", "files", 4 * KIB, 0, 63),
        ("7.1", "sessions", 4 * KIB, 4, 819),
        ("7.0", "files", 4 * KIB, 1, 128),
        ("7.3-patch-v2", "sessions", 4 * KIB, 4, 819),
        ("7.3-patch-v2", "files", 4 * KIB, 1, 128),
        ("7.3-patch-v2", "files", 64 * KIB, 0, 128),
    ],
)
def test_luos_lists_at_each_page_size(release, of, page, order, records):
    """Facts 10.1 and 10.3 at 4 KiB pages; the others follow from the size of a block."""
    layout = getattr(load_release(release).luo, of)
    assert layout.block_order(page) == order
    assert layout.records_per_block(page) == records


def test_a_block_of_an_odd_size_takes_the_order_that_holds_it():
    layouts = [ListLayout(8, 0, 1, pages * 4 * KIB) for pages in (1, 2, 3, 5)]
    assert [layout.block_order(4 * KIB) for layout in layouts] == [0, 1, 2, 3]
