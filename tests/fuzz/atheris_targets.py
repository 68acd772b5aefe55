"""The targets under atheris, which follows coverage: for an hour or a night.

    pip install atheris
    python -m tests.fuzz.atheris_targets scenario -max_total_time=3600

Names are those of ``targets.TARGETS``; what stands behind goes to libFuzzer, as a folder for what
it finds does. It starts from the same inputs as hypothesis does (``seeds.py``).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Fuzz one target; returns only with an exit code of wrong usage."""
    try:
        import atheris
    except ImportError:
        sys.stderr.write("atheris is not there; pip install atheris\n")
        return 2
    with atheris.instrument_imports(include=["kho_sim"]):
        from tests.fuzz.targets import TARGETS
    from tests.fuzz.seeds import seeds

    name = arguments[0] if arguments else ""
    if name not in TARGETS:
        sys.stderr.write(f"'{name}' is no target; accepted: {', '.join(TARGETS)}\n")
        return 2
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds(name)):
            (Path(corpus) / str(number)).write_bytes(seed)
        atheris.Setup(["atheris", *arguments[1:], corpus], TARGETS[name])
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
