"""The command line as the kernel reads it: what each option does, and what is printed about it."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kho_sim.base.command_line import (
    CmaRequest,
    Crashkernel,
    CrashkernelRange,
    CrashRequest,
    MemoryEdit,
    crash_request,
    parse_command_line,
)
from kho_sim.base.command_line.hugepages import HugepageRequest, HugetlbCma
from kho_sim.base.command_line.options import ReserveMem, ScratchRequest, Swiotlb
from kho_sim.base.command_line.parse import _HANDLERS
from kho_sim.base.command_line.words import boolean, decimal_number, split_words

MIB, GIB = 1 << 20, 1 << 30
NAMES = sorted(_HANDLERS)
MANY = "9" * 5000
PARTS = st.sampled_from(
    [*'0123456789,:%@KMG=" -', "1G", "2M", "0:", "0x", "debug", "force", "high"]
)
OPTIONS = st.builds(
    lambda name, parts: name + "=" + "".join(parts),
    st.sampled_from(NAMES),
    st.lists(PARTS | st.characters(), max_size=8),
)


def scratch(text):
    line = parse_command_line(text)
    return line.kho_scratch, line.messages


@given(st.text() | st.lists(OPTIONS | st.text(max_size=4), max_size=6).map(" ".join))
@example(f"kho_scratch={MANY},1,1 hugepages={MANY} kho_scratch={MANY}%")
@example("\ud800")
def test_any_text_is_a_command_line(text):
    line = parse_command_line(text)
    assert line.text == text
    for nodes in (1, 4):
        for request in line.hugepages(nodes):
            assert request.size_bytes in (2 * MIB, GIB)
            assert all(0 <= node < nodes for node, _ in request.per_node)
        line.hugepage_messages(nodes)


@given(st.lists(st.from_regex(r"[a-z]+(=[a-z0-9,]+)?", fullmatch=True)))
def test_words_without_quotes_are_those_between_spaces(words):
    joined = "  ".join(words)
    read = [name if value is None else f"{name}={value}" for name, value, *_ in split_words(joined)]
    assert read == joined.split()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  a \t b=c\n", [("a", None), ("b", "c")]),
        ('a="b c" d', [("a", "b c"), ("d", None)]),
        ('"a=b c" d', [("a", "b c"), ("d", None)]),
        ('"a b', [("a b", None)]),
        ('a=b"c d"e', [("a", 'b"c d"e')]),
        ('a="b" c"', [("a", "b"), ('c"', None)]),
        ("a=b=c a= =b", [("a", "b=c"), ("a", ""), ("=b", None)]),
        ("", []),
    ],
)
def test_double_quotes_keep_words_together(text, words):
    assert [word[:2] for word in split_words(text)] == words


def test_the_rest_after_two_dashes_is_for_init():
    line = parse_command_line("quiet -- kho=off")
    assert (line.kho, line.other) == (True, ("quiet",))


def test_unknown_words_are_kept_and_dashes_are_underscores():
    line = parse_command_line('console=ttyS0 obs.mfd=1M x="a b" kho-scratch=50%')
    assert line.other == ("console=ttyS0", "obs.mfd=1M", "x=a b")
    assert line.kho_scratch.scale_percent == 50


@pytest.mark.parametrize(
    ("text", "kho", "messages"),
    [
        ("", True, ()),
        ("kho=on", True, ()),
        ("kho=0", False, ()),
        ("kho=off", False, ()),
        ("kho=no kho=Y", True, ()),
        ("kho=off kho=maybe", False, ("Malformed early option 'kho'",)),
        ("kho", True, ("Malformed early option 'kho'",)),
    ],
)
def test_kho_is_on_unless_the_command_line_says_no(text, kho, messages):
    line = parse_command_line(text)
    assert (line.kho, line.messages) == (kho, messages)


def test_booleans_are_those_of_the_kernel():
    for text in ("y", "Yes", "t", "1", "on", "ON", "enable"):
        assert boolean(text) is True
    for text in ("n", "No", "f", "0", "off", "oF", "disable"):
        assert boolean(text) is False
    for text in ("", "o", "2", " 1", None):
        assert boolean(text) is None


@pytest.mark.parametrize("percent", ["0", "50", "+7", "007", "4294967295"])
def test_a_percentage_is_the_scale(percent):
    request, messages = scratch(f"kho_scratch={percent}%")
    assert request == ScratchRequest(int(percent), 0, 0, 0)
    signed = int(percent) - (1 << 32) if int(percent) >> 31 else int(percent)
    assert messages == (f"KHO: scratch scale is {signed}%",)


def test_three_sizes_are_taken_as_they_are():
    request, messages = scratch("kho_scratch=16M,512m,0x10000000")
    assert request == ScratchRequest(0, 16 * MIB, 512 * MIB, 256 * MIB)
    assert messages == ("KHO: scratch areas: lowmem: 16MiB global: 512MiB pernode: 256MiB",)
    assert scratch("kho_scratch=0,0,1M")[0] == ScratchRequest(0, 0, 0, MIB)
    # A suffix without a number is the number 0 with that suffix.
    assert scratch("kho_scratch=K,1M,1M")[0] == ScratchRequest(0, 0, MIB, MIB)


@pytest.mark.parametrize(
    "value",
    [
        "", "1M", "1M,2M", "1M,2M,", "1M,2M,3M,", "1M,2M,3M,4M", "1M,2M,3Mx", "1M, 2M,3M",
        "x,1M,1M", ",1M,1M", "1M,,1M", "0,0,0", "-1M,1M,1M", "1M;2M;3M", "%", "x%", "-1%", "1.5%",
        "0x10%", "4294967296%", "00000000001%", "1M,1M,1M%", "8E,8E,0",
    ],
)  # fmt: skip
def test_other_forms_are_malformed_and_change_nothing(value):
    before = "kho_scratch=1M,2M,3M "
    request, messages = scratch(before + f"kho_scratch={value}")
    assert request == scratch(before)[0]
    assert messages[1:] == ("Malformed early option 'kho_scratch'",)
    assert scratch(f"kho_scratch={value}")[0] == ScratchRequest(200, 0, 0, 0)


def test_the_last_valid_one_wins_but_a_scale_beats_sizes():
    assert scratch("kho_scratch=50% kho_scratch=1M,2M,3M")[0] == ScratchRequest(
        0, MIB, 2 * MIB, 3 * MIB
    )
    # The sizes stay, and only a scale of 0 lets them count.
    assert scratch("kho_scratch=1M,2M,3M kho_scratch=50%")[0] == ScratchRequest(
        50, MIB, 2 * MIB, 3 * MIB
    )
    assert scratch("kho_scratch=1M,2M,3M kho_scratch=0%")[0].scale_percent == 0


@pytest.mark.parametrize(
    ("value", "size_bytes"),
    [
        ("8M", 8 * MIB),
        ("5M", 8 * MIB),
        ("128K", None),
        ("129K", 256 << 10),
        ("0", None),
        ("x", None),
        ("2G", 2 * GIB),
        ("3G", 2 * GIB),
    ],
)
def test_the_log_buffer_is_a_power_of_two_above_the_build_s_own(value, size_bytes):
    line = parse_command_line(f"log_buf_len={value}")
    assert line.log_buf_len == size_bytes
    assert (line.messages == ()) == (value != "3G")


def test_the_log_buffer_of_another_build():
    assert parse_command_line("log_buf_len=8M", log_buf_default_bytes=8 * MIB).log_buf_len is None
    assert parse_command_line("log_buf_len=8M log_buf_len=4M").log_buf_len == 4 * MIB
    assert parse_command_line("log_buf_len").messages == ("Malformed early option 'log_buf_len'",)


def pages(text, nodes=2):
    """Return {size in MiB: total or {node: count}}, and how many lines the kernel prints."""
    line = parse_command_line(text)
    requests = {
        r.size_bytes // MIB: dict(r.per_node) or r.count
        for r in line.hugepages(nodes)
        if not r.per_node or sum(count for _, count in r.per_node) == r.count
    }
    return requests, len(line.hugepage_messages(nodes))


@pytest.mark.parametrize(
    ("text", "requests", "messages"),
    [
        ("", {}, 0),
        ("hugepages=8", {2: 8}, 0),
        ("hugepagesz=1G hugepages=50", {1024: 50}, 0),
        ("hugepages=50 hugepagesz=1G", {2: 50}, 0),
        ("hugepagesz=1G hugepages=3 hugepagesz=2M hugepages=4", {1024: 3, 2: 4}, 0),
        ("hugepages=4 hugepagesz=1G hugepages=3", {2: 4, 1024: 3}, 0),
        ("hugepages=4 default_hugepagesz=1G", {1024: 4}, 0),
        ("default_hugepagesz=1G hugepages=4", {1024: 4}, 0),
        ("hugepagesz=1G hugepages=4 default_hugepagesz=1G", {1024: 4}, 0),
        ("hugepagesz=1G hugepagesz=2M default_hugepagesz=1G hugepages=4", {2: 4}, 0),
        ("default_hugepagesz=1G hugepagesz=1G hugepages=4", {1024: 4}, 0),
        ("default_hugepagesz=1G hugepages=4 hugepagesz=1G hugepages=5", {1024: 4}, 2),
        ("hugepagesz=1G hugepages=4 hugepages=5", {1024: 4}, 1),
        ("hugepagesz=1G hugepages=4 hugepagesz=1G hugepages=5", {1024: 4}, 2),
        ("hugepagesz=1G hugepagesz=1G hugepages=5 hugepages=6", {1024: 6}, 2),
        ("hugepagesz=3M hugepages=5 hugepages=6", {2: 6}, 2),
        ("hugepagesz=1G hugepages=4 hugepagesz=3M hugepages=5 hugepages=6", {1024: 4}, 3),
        ("default_hugepagesz=2M default_hugepagesz=1G hugepages=5", {}, 2),
        ("hugepages=4 hugepagesz=2M hugepages=5", {2: 4}, 2),
        ("hugepagesz=1G hugepages=0:1,1:2", {1024: {0: 1, 1: 2}}, 0),
        ("hugepagesz=1G hugepages=1:2", {1024: {1: 2}}, 0),
        ("hugepages=0:1,1:2 default_hugepagesz=1G", {1024: {0: 1, 1: 2}}, 0),
        ("hugepagesz=1G hugepages=0:1,2:2", {}, 1),
        ("hugepagesz=1G hugepages=0:1,7", {}, 1),
        ("hugepagesz=1G hugepages=0:1,2:2 hugepages=9", {1024: 9}, 1),
        ("hugepagesz=1G hugepages=10% hugepagesz=2M hugepages=5", {1024: 10, 2: 5}, 0),
        ("hugepagesz=1G hugepages=x", {}, 1),
        ("hugepagesz=1G hugepages=", {}, 0),
    ],
)
def test_hugepages_go_to_the_size_named_before(text, requests, messages):
    assert pages(text) == (requests, messages)


def test_hugepages_are_asked_for_in_the_order_of_their_sizes():
    line = parse_command_line("hugepagesz=1G hugepages=1:3 hugepagesz=2M hugepages=4")
    assert line.hugepages(2) == (
        HugepageRequest(GIB, 3, ((1, 3),)),
        HugepageRequest(2 * MIB, 4),
    )
    assert line.hugepage_messages(1) == ("HugeTLB: Invalid hugepages parameter 1:3",)
    assert line.default_hugepagesz == 2 * MIB
    assert parse_command_line("default_hugepagesz=1G").default_hugepagesz == GIB


def test_the_kernel_has_room_for_five_hugepage_options():
    line = parse_command_line("hugepages=1 " * 6)
    assert len(line.hugepage_options) == 5
    assert line.messages == ("Malformed early option 'hugepages'",)


@pytest.mark.parametrize(
    ("text", "cma"),
    [
        ("hugetlb_cma=4G", HugetlbCma(total_bytes=4 * GIB)),
        ("hugetlb_cma=4G hugetlb_cma=30%", HugetlbCma(total_percent=30)),
        ("hugetlb_cma=4G hugetlb_cma=130%", HugetlbCma(total_bytes=4 * GIB)),
        ("hugetlb_cma=0:1G,1:20%", HugetlbCma(per_node=((0, GIB, 0), (1, 0, 20)))),
        ("hugetlb_cma=9G hugetlb_cma=1:1G", HugetlbCma(per_node=((1, GIB, 0),))),
        ("hugetlb_cma=0:1G,64:1G", HugetlbCma(per_node=((0, GIB, 0),))),
        ("hugetlb_cma=0:1G,1:101%", HugetlbCma(per_node=((0, GIB, 0),))),
        ("hugetlb_cma=x", HugetlbCma()),
    ],
)
def test_hugetlb_cma_is_a_total_or_per_node(text, cma):
    line = parse_command_line(text)
    assert line.hugetlb_cma == cma
    assert (line.messages != ()) == ("101%" in text or "130%" in text)


def test_options_about_memory():
    line = parse_command_line(
        "reserve_mem=4M:4K:trace reserve_mem=1M:8:small reserve_mem=1M:4K:trace reserve_mem=1M "
        "reserve_mem=1M:4K: reserve_mem=1M:4K:abcdefghijklmnop reserve_mem=0:4K:none "
        "crashkernel=256M crashkernel=1G@16M crashkernel=64M,low "
        "swiotlb=1000,force mem=8G mem=4G mem=6G mem=none nr_cpus=0 nr_cpus=12 maxcpus=0 nokaslr "
        "memblock=debug hugetlb_free_vmemmap hugetlb_cma_only=on liveupdate=off"
    )
    assert line.reserve_mem == (ReserveMem(4 * MIB, 4096, "trace"), ReserveMem(MIB, 64, "small"))
    assert line.crashkernel == (Crashkernel(GIB, 16 * MIB), Crashkernel(64 * MIB, kind="low"))
    assert line.other == ()
    assert line.swiotlb == Swiotlb(slabs=1024, force=True)
    assert line.memory_edits == tuple(MemoryEdit("limit", gib * GIB) for gib in (8, 4, 6))
    assert (line.nr_cpus, line.maxcpus) == (12, 0)
    assert line.nokaslr
    assert line.memblock_debug
    assert line.hugetlb_free_vmemmap
    assert line.hugetlb_cma_only
    assert not line.liveupdate
    assert line.messages == ("Malformed early option 'mem'",)


@pytest.mark.parametrize(
    ("text", "memory", "wanted"),
    [
        ("crashkernel=256M", 8, CrashRequest(256 * MIB)),
        ("crashkernel=256M@1G", 8, CrashRequest(256 * MIB, GIB)),
        ("crashkernel=1G-4G:192M,4G-64G:256M,64G-:512M", 3, CrashRequest(192 * MIB)),
        ("crashkernel=1G-4G:192M,4G-64G:256M,64G-:512M", 8, CrashRequest(256 * MIB)),
        ("crashkernel=1G-4G:192M,4G-64G:256M,64G-:512M", 64, CrashRequest(512 * MIB)),
        ("crashkernel=4G-64G:256M@64M", 8, CrashRequest(256 * MIB, 64 * MIB)),
        ("crashkernel=4G-:256M", 2, CrashRequest()),
        ("crashkernel=2G-:2G", 2, CrashRequest()),
        ("crashkernel=512M,high", 8, CrashRequest(512 * MIB, high_first=True)),
        (
            "crashkernel=64M,low crashkernel=512M,high crashkernel=1G,cma",
            8,
            CrashRequest(512 * MIB, 0, True, 64 * MIB, GIB),
        ),
        ("crashkernel=512M,high crashkernel=0,low", 8, CrashRequest(512 * MIB, 0, True, 0)),
        ("crashkernel=512M,high crashkernel=1G crashkernel=64M,low", 8, CrashRequest(GIB)),
        ("crashkernel=512M,high crashkernel=what", 8, CrashRequest()),
        ("crashkernel=1G,cma", 8, CrashRequest()),
        ("", 8, CrashRequest()),
    ],
)
def test_a_crash_kernel_gets_what_the_line_says_for_that_memory(text, memory, wanted):
    assert crash_request(parse_command_line(text).crashkernel, memory * GIB) == wanted


def test_memory_that_firmware_keeps_counts_for_the_range():
    """A machine of 4 GiB has less than that in its memory map."""
    options = parse_command_line("crashkernel=1G-4G:192M,4G-:256M").crashkernel
    assert crash_request(options, 4 * GIB - 96 * MIB).size_bytes == 256 * MIB
    assert crash_request(options, 4 * GIB - 128 * MIB).size_bytes == 192 * MIB


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("1G-2G:8M,2G-:16M", [(GIB, 2 * GIB, 8 * MIB), (2 * GIB, 0, 16 * MIB)]),
        ("1G-2G:8M,2G-1G:16M", [(GIB, 2 * GIB, 8 * MIB)]),
        ("1G-2G:8M,2G:16M", [(GIB, 2 * GIB, 8 * MIB)]),
        ("1G-2G:8M,2G-3G", [(GIB, 2 * GIB, 8 * MIB)]),
        ("1G-2G:8M,2G-x:1M", [(GIB, 2 * GIB, 8 * MIB)]),
        ("1G-2G:", []),
        ("-2G:8M", []),
        ("1G-2G:8Mx", []),
    ],
)
def test_ranges_are_read_up_to_the_one_that_is_wrong(text, ranges):
    line = parse_command_line(f"crashkernel={text}")
    (option,) = line.crashkernel
    assert option == Crashkernel(ranges=tuple(CrashkernelRange(*part) for part in ranges))
    assert bool(line.remarks) == (text != "1G-2G:8M,2G-:16M")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("cma=256M", CmaRequest(256 * MIB)),
        ("cma=256M@1G", CmaRequest(256 * MIB, GIB, GIB + 256 * MIB)),
        ("cma=256M@1G-4G", CmaRequest(256 * MIB, GIB, 4 * GIB)),
        ("cma=64M cma=0", CmaRequest()),
    ],
)
def test_an_area_for_contiguous_memory_has_a_size_and_maybe_a_place(text, wanted):
    assert parse_command_line(text).cma == wanted


def test_swiotlb_can_be_switched_off():
    assert parse_command_line("swiotlb=noforce").swiotlb == Swiotlb(noforce=True)
    assert parse_command_line("swiotlb=0x100").swiotlb == Swiotlb(slabs=256)


@given(st.integers(0, 2**80), st.sampled_from(["", " ", "\t "]), st.sampled_from(["", ":1", "x"]))
def test_decimal_numbers_wrap_at_64_bits(number, spaces, rest):
    assert decimal_number(f"{spaces}{number}{rest}") == (number % 2**64, rest)


def test_the_length_is_counted_in_bytes_of_the_raw_text():
    assert parse_command_line("kho=on  é").length == 10
