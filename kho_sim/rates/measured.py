"""Rates of a server under KVM, fitted to the two extension times that the patch reports.

The patch: 47 us for 532 keys in 19 table pages, 22514 us for 526358 keys in 40. That fixes the cost
of a key (42.7 ns) and what remains for everything else (24 us). How that splits over scanning a
bit, adding a key, pages of the digest and marks is an assumption, as are the rates that no log of
real hardware gives (kernel-facts section 14); ``explain`` shows them all.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from kho_sim.base.work import Work


@dataclass(frozen=True, slots=True)
class Rate:
    """Nanoseconds for one of something, and where the number comes from."""

    ns: float
    source: str


PATCH = "fitted to the patch's 47 us and 22514 us"
ASSUMED = "assumed: no measurement on hardware"
RESERVED = "kernel-facts 14: 300 ns for both calls, 5 to 14 times the extension's key"

WORK_RATES: dict[str, Rate] = {
    "keys_walked": Rate(4.0, f"{PATCH}; share of the 42.7 ns a key: {ASSUMED}"),
    "keys_added": Rate(38.7, f"{PATCH}; share of the 42.7 ns a key: {ASSUMED}"),
    "tables_walked": Rate(200.0, f"512 slots or words at 0.4 ns; {ASSUMED}"),
    "words_scanned": Rate(0.0, "in tables_walked"),
    "tables_allocated": Rate(2400.0, f"{PATCH}: what the digest's pages leave of the 24 us"),
    "ranges_marked": Rate(1200.0, f"{PATCH}: what the marks leave of the 24 us"),
    "regions_scanned": Rate(1.5, ASSUMED),
    "regions_moved": Rate(1.0, f"24 bytes of memmove(); {ASSUMED}"),
    "ranges_reserved": Rate(222.0, f"{RESERVED}; share by instructions (strategies, section 3)"),
    "ranges_isolated": Rate(78.0, f"{RESERVED}; share by instructions (strategies, section 3)"),
    "regions_passed": Rate(0.0, f"{RESERVED}, with a hundred regions: in the two above"),
    "tree_lookups": Rate(38.7, f"as a key that is added; {ASSUMED}"),
    "gaps_compared": Rate(1.0, ASSUMED),
    "orders_set": Rate(0.0, "in keys_walked and ranges_reserved"),
    "pages_initialised": Rate(8.0, f"one 64-byte struct page; {ASSUMED}"),
    "pages_allocated": Rate(60.0, ASSUMED),
    "pages_migrated": Rate(600.0, f"copying 4 KiB and remapping it; {ASSUMED}"),
}
"""By the names of ``Work``'s fields."""

PHASE_RATES: dict[str, Rate] = {
    "early_allocation": Rate(2_000.0, ASSUMED),
    "initcalls": Rate(900e6, f"from the first initcall to init: {ASSUMED}"),
    "loaded_byte": Rate(0.5, f"reading, hashing and copying the image at 2 GB/s: {ASSUMED}"),
    "hashed_byte": Rate(
        4.0, f"purgatory's check takes 200 ms on x86 (time-facts 6), of about 50 MB: {ASSUMED}"
    ),
    "jump": Rate(150e6, f"device shutdown, relocation and decompression: {ASSUMED}"),
    "firmware_reset": Rate(120e9, f"reset, firmware's self-test and boot loader: {ASSUMED}"),
    "first_touch_page": Rate(250.0, f"fault and zeroing of one page: {ASSUMED}"),
}
"""Simulated time of phases whose work is not counted in detail."""

RATES = {**WORK_RATES, **PHASE_RATES}


def nanoseconds(work: Work) -> int:
    """Return the time of that much work: an int, never less for more work."""
    total_ns: float = sum(getattr(work, f.name) * WORK_RATES[f.name].ns for f in fields(Work))
    return round(total_ns)
