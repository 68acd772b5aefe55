"""Words that the kernel refuses or the model leaves out are named, with their place."""

import pytest

from kho_sim.base.command_line import parse_command_line
from kho_sim.base.command_line.remarks import (
    HARMLESS,
    IGNORED,
    MALFORMED,
    MOVES_MEMORY,
    NOT_MODELLED,
    UNKNOWN,
)


def kinds(text: str) -> list[tuple[str, str]]:
    return [(remark.kind, remark.word) for remark in parse_command_line(text).remarks]


@pytest.mark.parametrize("name", MOVES_MEMORY)
def test_every_option_that_moves_memory_is_named(name: str) -> None:
    assert kinds(f"kho=on {name}=1") == [(NOT_MODELLED, f"{name}=1")]


@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_frequent_words_without_effect_pass(name: str) -> None:
    assert kinds(f"{name} {name}=1") == []


def test_no_word_is_in_two_lists() -> None:
    assert not HARMLESS & MOVES_MEMORY.keys()


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("kho_scratch=512M,512M", MALFORMED),
        ("kho=maybe", MALFORMED),
        ("reserve_mem=1M:4096", MALFORMED),
        ("nr_cpus=none", MALFORMED),
        ("memmap=1G?4G", MALFORMED),
        ("memmap=1G%4G-1+2", NOT_MODELLED),
        ("numa=fake=4", NOT_MODELLED),
        ("swiotlb=65536,8", NOT_MODELLED),
        ("kernelcore=mirror", NOT_MODELLED),
        ("crashkernel=1G-4G:256M,4G", MALFORMED),
        ("crashkernel=auto", MALFORMED),
        ("crashkernel=64M,low", IGNORED),
        ("crashkernel=256M,cma", IGNORED),
        ("cma=", MALFORMED),
        ("kfence.num-objects=100", NOT_MODELLED),
        ("hugetlb_free_vmemmap=on", NOT_MODELLED),
        ("frobnicate=1", UNKNOWN),
    ],
)
def test_what_has_no_effect_is_named(word: str, kind: str) -> None:
    assert kinds(f"kho=on {word} hugepages=8 quiet") == [(kind, word)]


@pytest.mark.parametrize(
    "word",
    [
        "kho_scratch=50%",
        "hugetlb_free_vmemmap=on hugepagesz=1G hugepages=4",
        "kfence.sample_interval=100",
        "crashkernel=256M",
        "crashkernel=1G-4G:64M,4G-:1G@64M",
        "crashkernel=1G,high",
        "cma=64M@1G-2G",
        "hugetlb_cma=0:1G",
        "mem=4G",
        "memmap=1G$4G,exactmap",
        "numa=off",
        "swiotlb=65536,force",
        "kernelcore=2G",
        "movablecore=50%",
        "movable_node",
        "nr_cpus=2",
        "maxcpus=0",
        "reserve_mem=1M:4096:a",
        "rd.luks.uuid=1",
    ],
)
def test_what_has_its_effect_is_not_named(word: str) -> None:
    assert kinds(word) == []


def test_a_remark_says_where_its_word_stands() -> None:
    text = 'kho=on  "memtest=4" dhash_entries=4'
    remarks = parse_command_line(text).remarks
    assert [text[r.at :].startswith(r.word) for r in remarks] == [True, True]
    assert [remark.at for remark in remarks] == [8, 20]


def test_a_crash_kernel_that_another_word_hides_is_named_where_it_stands() -> None:
    text = "crashkernel=1G,high crashkernel=64M,low crashkernel=256M quiet"
    remarks = parse_command_line(text).remarks
    assert [(r.kind, r.word, r.at) for r in remarks] == [
        (IGNORED, "crashkernel=1G,high", 0),
        (IGNORED, "crashkernel=64M,low", 20),
    ]


def test_words_after_two_dashes_are_for_init() -> None:
    assert kinds("kho=on -- memtest=4") == []


def test_the_name_of_an_area_is_taken_once() -> None:
    twice = "reserve_mem=1M:4096:a reserve_mem=2M:4096:a"
    assert kinds(twice) == [(MALFORMED, "reserve_mem=2M:4096:a")]
