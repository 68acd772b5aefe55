"""The kernel command line, read as the kernel reads it.

Models parse_args() and the handlers of the options that decide where memory goes, Linux 7.3.
Nothing is ever an error here: what the kernel would refuse stays at its default, ``messages`` holds
the line that the kernel prints about it, and ``remarks`` names each word that the kernel refuses or
the model leaves out. Left out: what ``remarks.MOVES_MEMORY`` lists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from kho_sim.base.command_line.areas import MIRROR, read_cma, read_core
from kho_sim.base.command_line.crashkernel import (
    CMA,
    FORMS,
    HIGH,
    LOW,
    PLAIN,
    read_crashkernel,
)
from kho_sim.base.command_line.hugepages import (
    parse_hugetlb_cma,
)
from kho_sim.base.command_line.line import CommandLine
from kho_sim.base.command_line.memory_map import TYPES, MemoryEdit, read_mem, read_memmap
from kho_sim.base.command_line.options import (
    X86_64_RULES,
    OptionRules,
    Swiotlb,
)
from kho_sim.base.command_line.remarks import (
    IGNORED,
    MALFORMED,
    NOT_MODELLED,
    Remark,
    remark_on,
)
from kho_sim.base.command_line.reserve_mem import read_reserve_mem
from kho_sim.base.command_line.scratch import read_scratch
from kho_sim.base.command_line.words import Word, boolean, split_words, whole_number
from kho_sim.base.extent import round_up
from kho_sim.base.units import memparse

DEFAULT_LOG_BUF_BYTES = 128 << 10
"""CONFIG_LOG_BUF_SHIFT=17, as in the recorded kernel."""
LOG_BUF_MAX_BYTES = 1 << 31
"""LOG_BUF_LEN_MAX, kernel/printk/printk.c."""
SWIOTLB_SEGMENT_SLABS = 128
"""IO_TLB_SEGSIZE: the number of slabs is rounded up to it."""


def parse_command_line(
    text: str,
    rules: OptionRules = X86_64_RULES,
    log_buf_default_bytes: int = DEFAULT_LOG_BUF_BYTES,
) -> CommandLine:
    """Return what a kernel makes of ``text``. Never raises.

    ``rules``: of the platform (``platform.options``). ``log_buf_default_bytes`` is the build's own
    log buffer: ``log_buf_len=`` up to it does nothing.
    """
    reading = _Reading(CommandLine(text=text, rules=rules), log_buf_default_bytes)
    for word in split_words(text):
        if word.name == "--" and word.value is None:
            break
        reading.read(word)
    reading.remark_on_crash_kernels()
    reading.remark_on_huge_pages()
    return replace(
        reading.line,
        other=tuple(reading.other),
        messages=tuple(reading.messages),
        remarks=tuple(sorted(reading.remarks, key=lambda remark: remark.at)),
    )


REFUSED = "the kernel calls this malformed and uses its default"


@dataclass
class _Reading:
    """The state while the words go by."""

    line: CommandLine
    log_buf_default_bytes: int
    other: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    crash_words: dict[str, tuple[str, int]] = field(default_factory=dict)
    """The ``crashkernel=`` words that count, by kind, and where they stand."""
    optimising_word: tuple[str, int] = ("", 0)
    """The last ``hugetlb_free_vmemmap=``, and where it stands."""

    def read(self, word: Word) -> None:
        name, value, start, end = word
        self.written, self.at = self.line.text[start:end], start
        handler = _HANDLERS.get(name.replace("-", "_"))
        remarks = len(self.remarks)
        if handler is None:
            self.other.append(name if value is None else f"{name}={value}")
        elif not handler(self, value):
            self.messages.append(f"Malformed early option '{name}'")
            self.remark(MALFORMED, REFUSED)
        is_modelled = name.replace("-", "_") in self.line.rules.modelled
        found = None if is_modelled else remark_on(name, known=handler is not None)
        if len(self.remarks) == remarks and found:
            self.remark(*found)

    def remark(self, kind: str, text: str) -> None:
        """Remark on the word that is being read."""
        self.remarks.append(Remark(kind, self.written, self.at, text))

    def remark_on_crash_kernels(self) -> None:
        """Remark on the ``crashkernel=`` that others make ineffective."""
        if PLAIN in self.crash_words and HIGH in self.crash_words:
            text = "the kernel ignores this beside a crashkernel= without ',high'"
            self.remarks.append(Remark(IGNORED, *self.crash_words[HIGH], text))
        if LOW in self.crash_words and (PLAIN in self.crash_words or HIGH not in self.crash_words):
            text = "the kernel takes ',low' beside ',high' only"
            self.remarks.append(Remark(IGNORED, *self.crash_words[LOW], text))
        if CMA in self.crash_words and not {PLAIN, HIGH} & self.crash_words.keys():
            text = "the kernel takes ',cma' beside another crashkernel= only"
            self.remarks.append(Remark(IGNORED, *self.crash_words[CMA], text))

    def remark_on_huge_pages(self) -> None:
        """Remark on what huge pages below the gigantic ones give back."""
        sizes = [size.size_bytes for size in self.line.hugepages(1)]
        if self.line.hugetlb_free_vmemmap and self.line.rules.default_hugepage_bytes in sizes:
            text = (
                "what huge pages that are not gigantic give back of their struct pages is left out"
            )
            self.remarks.append(Remark(NOT_MODELLED, *self.optimising_word, text))

    def set(self, **values: object) -> bool:
        self.line = replace(self.line, **values)  # type: ignore[arg-type]
        return True


_Handler = Callable[[_Reading, str | None], bool]
"""Reads one option's value; False where the kernel calls the option malformed."""


def _flag(name: str) -> _Handler:
    def read_flag(reading: _Reading, value: str | None) -> bool:
        state = boolean(value)
        return state is not None and reading.set(**{name: state})

    return read_flag


def _scratch_option(name: str) -> _Handler:
    def read(reading: _Reading, value: str | None) -> bool:
        found = read_scratch(value, reading.line.scratch(name)) if value else None
        if found is None:
            return False
        wanted, message = found
        reading.messages.append(message)
        return reading.set(**{name: wanted})

    return read


def _log_buf_len(reading: _Reading, value: str | None) -> bool:
    """Source: log_buf_len_setup() and log_buf_len_update(), kernel/printk/printk.c."""
    if value is None:
        return False
    size_bytes = memparse(value)[0]
    if size_bytes > LOG_BUF_MAX_BYTES:
        reading.messages.append("printk: log_buf over 2G is not supported.")
        size_bytes = LOG_BUF_MAX_BYTES
    rounded_bytes = 1 << (size_bytes - 1).bit_length() if size_bytes else 0
    if rounded_bytes > reading.log_buf_default_bytes:
        reading.set(log_buf_len=rounded_bytes)
    return True


def _hugepage_option(name: str) -> _Handler:
    def record(reading: _Reading, value: str | None) -> bool:
        options = reading.line.hugepage_options
        if value is None or len(options) >= reading.line.rules.hugepage_options_max:
            return False
        return reading.set(hugepage_options=(*options, (name, value)))

    return record


def _hugetlb_cma(reading: _Reading, value: str | None) -> bool:
    if value is None:
        return False
    cma, messages = parse_hugetlb_cma(value, reading.line.hugetlb_cma)
    reading.messages.extend(messages)
    return reading.set(hugetlb_cma=cma)


def _hugetlb_free_vmemmap(reading: _Reading, value: str | None) -> bool:
    """A core parameter, not an early option: alone it means yes; a bad value changes nothing."""
    state = True if value is None else boolean(value)
    reading.optimising_word = (reading.written, reading.at)
    return reading.set(hugetlb_free_vmemmap=state) if state is not None else True


def _reserve_mem(reading: _Reading, value: str | None) -> bool:
    areas, why_dropped = read_reserve_mem(value, reading.line.reserve_mem)
    if why_dropped:
        reading.remark(MALFORMED, why_dropped)
    return reading.set(reserve_mem=areas)


def _crashkernel(reading: _Reading, value: str | None) -> bool:
    if value is None:
        return False
    option, is_whole = read_crashkernel(value)
    if not is_whole:
        reading.remark(MALFORMED, f"the kernel can not read this; it takes {FORMS}")
    areas = {area.kind: area for area in reading.line.crashkernel}
    areas[option.kind] = option
    reading.crash_words[option.kind] = (reading.written, reading.at)
    return reading.set(crashkernel=tuple(areas.values()))


def _cma(reading: _Reading, value: str | None) -> bool:
    return bool(value) and reading.set(cma=read_cma(value or ""))


def _core(name: str) -> _Handler:
    def read(reading: _Reading, value: str | None) -> bool:
        if value == MIRROR:
            reading.remark(NOT_MODELLED, "mirrored memory is left out")
            return True
        core = read_core(name, value or "", reading.line.movable_core)
        return bool(value) and reading.set(movable_core=core)

    return read


def _switch(name: str) -> _Handler:
    """An option that is on if it is there, whatever its value."""
    return lambda reading, _value: reading.set(**{name: True})


def _swiotlb(reading: _Reading, value: str | None) -> bool:
    """Source: setup_io_tlb_npages(), kernel/dma/swiotlb.c; the number of areas is not modelled."""
    words = (value or "").split(",")
    slabs, asked = reading.line.swiotlb.slabs, whole_number(words[0])
    if asked is not None:
        slabs = round_up(asked, SWIOTLB_SEGMENT_SLABS)
    if len(words) > 1 and whole_number(words[1]) is not None:
        reading.remark(NOT_MODELLED, "the number of areas is left out; there is one for each CPU")
    return reading.set(
        swiotlb=Swiotlb(slabs=slabs, force="force" in words, noforce="noforce" in words)
    )


def _cpu_count(name: str, least: int) -> _Handler:
    def read_count(reading: _Reading, value: str | None) -> bool:
        count = whole_number(value or "")
        if count is not None and count >= least:
            return reading.set(**{name: count})
        reading.remark(MALFORMED, f"the kernel takes a number from {least} on and drops this")
        return True

    return read_count


def _kfence_interval(reading: _Reading, value: str | None) -> bool:
    return reading.set(kfence_interval=whole_number(value or "") or 0)


def _rodata(reading: _Reading, value: str | None) -> bool:
    return reading.set(rodata=value or "")


def _memblock(reading: _Reading, value: str | None) -> bool:
    return reading.set(memblock_debug=reading.line.memblock_debug or "debug" in (value or ""))


def _mem(reading: _Reading, value: str | None) -> bool:
    """Source: parse_memopt(), arch/x86/kernel/e820.c."""
    edit = read_mem(value or "")
    return edit is not None and _edit_memory(reading, edit)


def _memmap(reading: _Reading, value: str | None) -> bool:
    """Source: parse_memmap_opt(), arch/x86/kernel/e820.c."""
    for part in (value or "").split(","):
        if TYPES in part:
            reading.remark(NOT_MODELLED, "a change of types is left out")
            continue
        edit = read_memmap(part)
        if edit is None:
            return False
        _edit_memory(reading, edit)
    return True


def _edit_memory(reading: _Reading, edit: MemoryEdit) -> bool:
    return reading.set(memory_edits=(*reading.line.memory_edits, edit))


def _numa(reading: _Reading, value: str | None) -> bool:
    if value == "off":
        return reading.set(numa_off=True)
    reading.remark(NOT_MODELLED, "changes the nodes; only 'off' is modelled")
    return True


_HANDLERS: dict[str, _Handler] = {
    "kho": _flag("kho"),
    "liveupdate": _flag("liveupdate"),
    "kho_scratch": _scratch_option("kho_scratch"),
    "kho_bootmem": _scratch_option("kho_bootmem"),
    "log_buf_len": _log_buf_len,
    "hugepages": _hugepage_option("hugepages"),
    "hugepagesz": _hugepage_option("hugepagesz"),
    "default_hugepagesz": _hugepage_option("default_hugepagesz"),
    "hugetlb_cma": _hugetlb_cma,
    "hugetlb_cma_only": _flag("hugetlb_cma_only"),
    "hugetlb_free_vmemmap": _hugetlb_free_vmemmap,
    "reserve_mem": _reserve_mem,
    "crashkernel": _crashkernel,
    "cma": _cma,
    "swiotlb": _swiotlb,
    "nr_cpus": _cpu_count("nr_cpus", 1),
    "maxcpus": _cpu_count("maxcpus", 0),
    "kfence.sample_interval": _kfence_interval,
    "rodata": _rodata,
    "nokaslr": _switch("nokaslr"),
    "memblock": _memblock,
    "mem": _mem,
    "memmap": _memmap,
    "numa": _numa,
    "kernelcore": _core("kernel"),
    "movablecore": _core("movable"),
    "movable_node": _switch("movable_node"),
}
