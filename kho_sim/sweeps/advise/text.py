"""Advice in words: the answer, what became of the kernel's own sizes, and what was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from kho_sim.base.units import counted, format_ns, format_size, plural
from kho_sim.layout import PLAIN, Column, Layout

if TYPE_CHECKING:
    from kho_sim.sweeps.advise.advice import Advice, Trial
    from kho_sim.sweeps.advise.evidence import Chain

GRADE_WORDS = {
    "clean": "no early allocation refused",
    "survives": "survives",
}
NONE = "none"
SHOWN = 3
SHIFT_COLUMNS = (
    Column("shift"),
    Column("block"),
    Column("recovers"),
    Column("takes"),
    Column("tree pages"),
    Column("regions"),
    Column("refused"),
    Column("", left=True),
)


def advice_text(advice: Advice, layout: Layout = PLAIN) -> Iterator[str]:
    """Yield the lines that ``kho-sim advise`` prints."""
    for sentence in lead(advice):
        yield from layout.wrapped(sentence)
    yield ""
    yield "The kernel's own sizes:"
    for strategy in (advice.strategy, NONE):
        trials = advice.default(strategy)
        yield from layout.wrapped(f"  {_way(advice, strategy, advice.own_shift)}: {ended(trials)}")
    yield ""
    yield from layout.table(
        [
            Column("smallest that was found", left=True, wraps=True),
            Column("kho_scratch="),
            Column("takes"),
            Column("seeds"),
        ],
        list(_smallest_rows(advice)),
    )
    notes = list(_notes(advice, layout))
    if notes:
        yield ""
        yield from notes
    if advice.shift_rows:
        yield ""
        yield from layout.wrapped(
            "Block sizes, on what the KHO boots of the advised chain inherit (the worst boot):"
        )
        yield from layout.table(list(SHIFT_COLUMNS), list(_shift_rows(advice)))
    yield ""
    yield from layout.wrapped(_evidence(advice))


def lead(advice: Advice) -> list[str]:
    """Return the answer in a few sentences: what to set, and what the extension does here."""
    return [_default(advice), _advised(advice), _difference(advice)]


def ended(trials: Sequence[Trial]) -> str:
    """Say in words how the chains of one setup ended, and with which seeds."""
    if not trials:
        return "not asked, the budget was used"
    fine = [one for one in trials if one.chain.survives]
    parts = []
    if fine:
        refused = max(one.chain.refused for one in fine)
        lacks = f", {refused} early allocations refused" if refused else ""
        parts.append(f"completes with {_seeds(fine)}{lacks}")
    reasons: dict[str, list[Trial]] = {}
    for one in trials:
        if not one.chain.survives:
            reasons.setdefault(reason(one.chain), []).append(one)
    parts += [f"dies with {_seeds(dead)}: {why}" for why, dead in reasons.items()]
    return "; ".join(parts)


def reason(chain: Chain) -> str:
    """Say in words why a chain does not survive."""
    if chain.outcome == "completed" and chain.killed:
        return f"{counted(chain.killed, 'process', 'es')} killed by the OOM killer"
    if chain.outcome == "completed":
        return f"{chain.gigantic_missing} gigantic pages missing"
    return f"{chain.outcome} in boot {chain.boot}: {chain.message}"


def _advised(advice: Advice) -> str:
    if advice.advised is None or advice.advised.areas is None:
        if all(one.complete for one in advice.smallest):
            return "No scratch that was tried lets this chain survive."
        return (
            f"The budget of {advice.chains_max} chains ended the search for other sizes before it "
            "found any that let this chain survive (--chains N)."
        )
    setup = advice.advised
    trials = advice.trials_of(setup)
    takes = format_size(setup.areas.total_bytes(advice.nodes)) if setup.areas else ""
    own = next((one.chain.scratch_bytes for one in _defaults(advice)), 0)
    compared = f", where the kernel's own choice takes {format_size(own)}" if own else ""
    return (
        f"kho_scratch={setup.areas} {_way(advice, setup.strategy, setup.shift)} takes "
        f"{takes}{compared}: the chain {ended(trials)}."
    )


def _default(advice: Advice) -> str:
    """Say whether the kernel's own sizes survive at all."""
    words = [
        f"{_way(advice, strategy, advice.own_shift)} {_survival(advice.default(strategy))}"
        for strategy in (advice.strategy, NONE)
    ]
    return f"The kernel's own sizes: {words[0]}, {words[1]}."


def _survival(trials: Sequence[Trial]) -> str:
    alive = sum(one.chain.survives for one in trials)
    if alive == len(trials):
        return f"the chain survives with {_seeds(trials)}"
    return f"the chain dies with {_seeds([one for one in trials if not one.chain.survives])}"


def _difference(advice: Advice) -> str:
    """Say what the extension changes: with the kernel's own sizes, and of the smallest."""
    with_it, without = (
        [one.areas for one in advice.smallest if one.strategy == strategy]
        for strategy in (advice.strategy, NONE)
    )
    own = [
        [(one.seed, one.chain.outcome, one.chain.refused) for one in advice.default(strategy)]
        for strategy in (advice.strategy, NONE)
    ]
    if own[0] == own[1] and with_it == without:
        return "With the extension and without it all this is equal: it changes nothing here."
    dead = [
        [one for one in advice.default(strategy) if not one.chain.survives]
        for strategy in (advice.strategy, NONE)
    ]
    if dead[0] and not dead[1]:
        return (
            "With the kernel's own sizes the extension makes this host worse off "
            f"({_seeds(dead[0])})."
        )
    if dead[1] and not dead[0]:
        return (
            "With the kernel's own sizes it is the extension that lets the chain survive "
            f"({_seeds(dead[1])})."
        )
    sizes = [
        min((areas.total_bytes(advice.nodes) for areas in found if areas), default=None)
        for found in (with_it, without)
    ]
    if sizes[0] is not None and sizes[1] is not None and sizes[0] < sizes[1]:
        return (
            f"The extension lets {format_size(sizes[0])} of scratch do, where without it "
            f"{format_size(sizes[1])} are needed."
        )
    if sizes[0] is not None and sizes[1] is None:
        return "Without the extension no scratch that was tried is enough."
    return "The extension does not let less scratch do."


def _smallest_rows(advice: Advice) -> Iterator[tuple[str, ...]]:
    for one in advice.smallest:
        title = f"{_way(advice, one.strategy, advice.shift)}, {GRADE_WORDS[one.grade]}"
        if one.areas is None:
            yield title, "none was enough" if one.complete else "none within the budget", "", ""
            continue
        trials = advice.trials_of(advice.searched(one.areas, one.strategy))
        good = sum(trial.chain.has(one.grade) for trial in trials)
        size = format_size(one.areas.total_bytes(advice.nodes))
        yield title, str(one.areas), size, f"{good} of {len(trials)}"


def _notes(advice: Advice, layout: Layout) -> Iterator[str]:
    """Yield what became of areas next to those that were found, of larger ones that do not
    survive, and of the user's own."""
    for strategy in (advice.strategy, NONE):
        found = [one.areas for one in advice.smallest if one.strategy == strategy and one.areas]
        if not found:
            continue
        least = min(found, key=lambda areas: areas.total_bytes(advice.nodes))
        way = _way(advice, strategy, advice.shift)
        dead = advice.dead(strategy)
        below = [one for areas, one in dead if areas.is_next_below(least)]
        above = [one for areas, one in dead if areas.contains(least)]
        for said, trials in (("Less is not enough", below), ("More is not enough", above)):
            for one in trials[:SHOWN]:
                died = f"{one.setup.areas} dies with {_seeds([one])}: {reason(one.chain)}"
                yield from layout.wrapped(f"{said}, {way}: {died}")
    for areas in advice.tried:
        for strategy in (advice.strategy, NONE):
            trials = advice.trials_of(advice.searched(areas, strategy))
            way = _way(advice, strategy, advice.shift)
            yield from layout.wrapped(f"Tried, {way}: {areas} {ended(trials)}")


def _shift_rows(advice: Advice) -> Iterator[tuple[str, ...]]:
    for row in advice.shift_rows:
        yield (
            str(row.shift),
            format_size(1 << row.shift),
            format_size(row.extended_bytes),
            format_ns(row.extend_ns),
            str(row.digest_pages),
            str(row.memory_regions),
            str(row.refused) if row.survives else "dies",
            "<- advised" if row.shift == advice.shift else "",
        )


def _evidence(advice: Advice) -> str:
    used = f"{advice.chains} of at most {advice.chains_max} chains were simulated"
    short = (
        ""
        if all(one.complete for one in advice.smallest)
        else ("; the budget ended the search, so smaller areas may do (--chains N)")
    )
    seeds = ", ".join(map(str, advice.seeds))
    return (
        f"{used}{short}. Seeds: {seeds}. Survival does not grow with scratch in all places, so "
        f"only what is named here was tried. Chains: {advice.directory}"
    )


def _defaults(advice: Advice) -> Iterable[Trial]:
    return [*advice.default(advice.strategy), *advice.default(NONE)]


def _way(advice: Advice, strategy: str, shift: int) -> str:
    if strategy == NONE:
        return "without the extension"
    blocks = f" of {format_size(1 << shift)}" if advice.has_blocks else ""
    return f"with the extension ({strategy}{blocks})"


def _seeds(trials: Sequence[Trial]) -> str:
    listed = [str(one.seed) for one in trials]
    return f"{plural(len(listed), 'seed')} {', '.join(listed)}"
