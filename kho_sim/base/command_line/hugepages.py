"""hugetlb options of the command line: how many boot-time pages of which size on which node.

Models the order-dependent part of mm/hugetlb.c and mm/hugetlb_cma.c, Linux 7.3: options
are stored as they come and resolved once the nodes are known (kernel-facts 7.1). Left out: taking
the pages, which is memory's business.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from kho_sim.base.command_line.options import OptionRules
from kho_sim.base.command_line.words import decimal_number
from kho_sim.base.units import SIZE_LIMIT, format_three_digits, memparse

MAX_NODES = 64


@dataclass(frozen=True, slots=True)
class HugepageRequest:
    """Boot-time pages of one size: ``count`` in all; where given, ``per_node`` says where."""

    size_bytes: int
    count: int
    per_node: tuple[tuple[int, int], ...] = ()
    """(node, count), ascending, zero counts left out; empty: the kernel rotates over the nodes."""


@dataclass(frozen=True, slots=True)
class HugetlbCma:
    """``hugetlb_cma=``: a total in bytes or in percent of RAM, or the same for single nodes."""

    total_bytes: int = 0
    total_percent: int = 0
    per_node: tuple[tuple[int, int, int], ...] = ()
    """(node, bytes, percent), ascending; of the two numbers one is 0."""


def parse_hugetlb_cma(value: str, before: HugetlbCma) -> tuple[HugetlbCma, list[str]]:
    """Return the request after one more ``hugetlb_cma=``, and what the kernel prints about it.

    A bad node or percentage ends the reading; what was read before stays.
    Source: cmdline_parse_hugetlb_cma(), mm/hugetlb_cma.c.
    """
    nodes = {node: (size, percent) for node, size, percent in before.per_node}
    cma, rest = before, value
    while number := decimal_number(rest):
        node, after = number
        if not after.startswith(":"):
            return _cma_total(value, before=cma)
        if node >= MAX_NODES:
            break
        cma = HugetlbCma()
        amount, rest = memparse(after[1:])
        if rest.startswith("%"):
            if amount > 100:
                message = f"hugetlb_cma: invalid percentage {amount} for node {node}"
                return replace(cma, per_node=_node_rows(nodes)), [message]
            nodes[node] = (0, amount)
            rest = rest[1:]
        else:
            nodes[node] = (amount, 0)
        cma = replace(cma, per_node=_node_rows(nodes))
        if not rest.startswith(","):
            break
        rest = rest[1:]
    return cma, []


def _node_rows(nodes: dict[int, tuple[int, int]]) -> tuple[tuple[int, int, int], ...]:
    return tuple((node, size, percent) for node, (size, percent) in sorted(nodes.items()))


def _cma_total(value: str, before: HugetlbCma) -> tuple[HugetlbCma, list[str]]:
    """The form without a node. It reads the option from its start, whatever came before."""
    amount, rest = memparse(value)
    if not rest.startswith("%"):
        return HugetlbCma(total_bytes=amount), []
    if amount > 100:
        return before, [f"hugetlb_cma: invalid percentage {amount}"]
    return HugetlbCma(total_percent=amount), []


def default_hugepage_bytes(options: tuple[tuple[str, str], ...], rules: OptionRules) -> int:
    """Return the default page size: the first valid default_hugepagesz=, else the platform's."""
    for name, value in options:
        if name == "default_hugepagesz" and memparse(value)[0] in rules.hugepage_sizes:
            return memparse(value)[0]
    return rules.default_hugepage_bytes


def resolve_hugepages(
    options: tuple[tuple[str, str], ...], nodes_online: int, rules: OptionRules
) -> tuple[tuple[HugepageRequest, ...], tuple[str, ...]]:
    """Return the pages asked for, in the order of the sizes' first mention, and what is printed."""
    pools = _Pools(nodes_online, rules)
    for name, value in options:
        if name == "hugepages":
            pools.count(value)
        elif name == "hugepagesz":
            pools.size(value)
        else:
            pools.default_size(value)
    pools.finish()
    requests = (
        HugepageRequest(size, pool.total, tuple(sorted((n, c) for n, c in pool.nodes.items() if c)))
        for size, pool in pools.by_size.items()
        if pool.total
    )
    return tuple(requests), tuple(pools.messages)


@dataclass
class _Pool:
    total: int = 0
    nodes: dict[int, int] = field(default_factory=dict)


class _Pools:
    """The kernel's page sizes (hstates) while the options are worked through in order."""

    def __init__(self, nodes_online: int, rules: OptionRules) -> None:
        self.nodes_online = nodes_online
        self.rules = rules
        self.by_size: dict[int, _Pool] = {}
        self.messages: list[str] = []
        # Counts given before any size; they go to the default size once that is known.
        self.unsized = _Pool()
        self.current = self.unsized
        self.counted_last: _Pool | None = None
        self.default_bytes = 0
        self.size_was_valid = True

    def size(self, value: str) -> None:
        """hugepagesz=: later counts are for this size."""
        self.size_was_valid = False
        size_bytes = memparse(value)[0]
        if size_bytes not in self.rules.hugepage_sizes:
            self.messages.append(f"HugeTLB: unsupported hugepagesz={value}")
            return
        known = self.by_size.get(size_bytes)
        # Naming the default size again is fine as long as nothing was asked of it.
        if known and (size_bytes != self.default_bytes or known.total):
            self.messages.append(f"HugeTLB: hugepagesz={value} specified twice, ignoring")
            return
        self.current = self.by_size.setdefault(size_bytes, _Pool())
        self.size_was_valid = True

    def default_size(self, value: str) -> None:
        """default_hugepagesz=: once only; takes over the counts that came before any size."""
        self.size_was_valid = False
        if self.default_bytes:
            self.messages.append(
                f"HugeTLB: default_hugepagesz previously specified, ignoring {value}"
            )
            return
        size_bytes = memparse(value)[0]
        if size_bytes not in self.rules.hugepage_sizes:
            self.messages.append(f"HugeTLB: unsupported default_hugepagesz={value}")
            return
        # A size that hugepagesz= named before keeps its pool, and is not the current one then.
        if size_bytes not in self.by_size:
            self.current = self.by_size[size_bytes] = _Pool()
        self.size_was_valid = True
        self.default_bytes = size_bytes
        if self.unsized.total:
            pool = self.by_size[size_bytes]
            pool.total = self.unsized.total
            pool.nodes.update({n: c for n, c in self.unsized.nodes.items() if c})
            self.unsized.total = 0

    def count(self, value: str) -> None:
        """hugepages=: a total, or node:count,node:count."""
        if not self.size_was_valid:
            self.messages.append(
                f"HugeTLB: hugepages={value} does not follow a valid hugepagesz, ignoring"
            )
            self.size_was_valid = True
            return
        if self.current is self.counted_last:
            self.messages.append(
                "HugeTLB: hugepages= specified twice without interleaving hugepagesz=, "
                f"ignoring hugepages={value}"
            )
            return
        invalid = self._read_counts(value)
        if invalid is not None:
            self.messages.append(f"HugeTLB: Invalid hugepages parameter {invalid}")
            self.current.total = 0
            self.current.nodes.clear()
            return
        self.counted_last = self.current

    def _read_counts(self, value: str) -> str | None:
        """Fill the current pool; return the rest at which the kernel gives up, None if none."""
        pool, rest = self.current, value
        while rest:
            number = decimal_number(rest)
            if number is None:
                return rest
            node, after = number
            if not after.startswith(":"):
                if rest is not value:
                    return rest
                pool.total = node
                return None
            if node >= self.nodes_online:
                return rest
            rest = after[1:]
            number = decimal_number(rest)
            if number is None:
                return rest
            count, after = number
            pool.nodes[node] = count % (1 << 32)
            pool.total = (pool.total + count) % SIZE_LIMIT
            if not after.startswith(","):
                return None
            rest = after[1:]
        return None

    def finish(self) -> None:
        """Counts without any size go to the platform's default, over what hugepagesz= may have
        asked of it.

        Source: hugetlb_init().
        """
        if self.default_bytes or not self.unsized.total:
            return
        size_bytes = self.rules.default_hugepage_bytes
        pool = self.by_size.setdefault(size_bytes, _Pool())
        if pool.total:
            size = format_three_digits(size_bytes)
            self.messages.append(
                f"HugeTLB: Ignoring hugepages={pool.total} associated with {size} page size"
            )
            self.messages.append(
                f"HugeTLB: Using hugepages={self.unsized.total} for number of default huge pages"
            )
        pool.total = self.unsized.total
        pool.nodes = dict(self.unsized.nodes)
