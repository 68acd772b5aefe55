"""``kho-sim sweep``: many runs of one scenario, stored so that they survive anything."""

from __future__ import annotations

import json
import re
import shlex
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kho_sim.cli.completing import files, keys, nothing
from kho_sim.cli.options import (
    SIGNAL_EXIT_BASE,
    FiniteRange,
    pairs,
    read_scenario,
    settings_option,
    stored_runs_options,
)

if TYPE_CHECKING:
    from kho_sim.scenario import Scenario
    from kho_sim.sweeps.design import Point
    from kho_sim.sweeps.plan import Plan
    from kho_sim.sweeps.results import Sweep

PARTIAL = 4


def _axes(
    ctx: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> dict[str, list[Any]]:
    from kho_sim.scenario import parse_values

    try:
        return {key: parse_values(text) for key, text in pairs(ctx, parameter, texts).items()}
    except ValueError as error:
        raise click.BadParameter(str(error))


def _shard(_: click.Context, __: click.Parameter, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch("([0-9]{1,9})/([0-9]{1,9})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise click.BadParameter(f"'{text}' is no shard; accepted: i/N with i from 1 to N.")
    return int(match[1]), int(match[2])


def _retry(_: click.Context, __: click.Parameter, text: str) -> tuple[str, ...]:
    states = tuple(filter(None, text.split(",")))
    if unknown := set(states) - {"failed", "lost"}:
        raise click.BadParameter(f"{sorted(unknown)[0]} is not failed or lost.")
    return states


@click.command("sweep")
@click.argument("scenario", shell_complete=files)
@click.option(
    "-x",
    "--axis",
    "axes",
    metavar="KEY=VALUES",
    multiple=True,
    callback=_axes,
    shell_complete=keys,
    help="Values for a place, as kernel.extend.shift=21..36 or machine.memory=4GiB,64GiB; "
    "may be repeated.",
)
@settings_option("Another value in the scenario, the same for all runs; may be repeated.")
@click.option(
    "--zip",
    "zip_axes",
    is_flag=True,
    help="First values together, second values together, ...: no combinations.",
)
@click.option(
    "--points",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Points from a CSV table or a JSON list; combined with the axes, if any.",
)
@click.option(
    "--replicates",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Runs of each point, with seeds of their own.",
)
@stored_runs_options(
    "Where the sweep is stored; by default a name made of scenario and axes, in runs/."
)
@click.option(
    "--shard",
    callback=_shard,
    shell_complete=nothing,
    metavar="I/N",
    help="Only the I-th of N parts, for job arrays; all may share DIR.",
)
@click.option(
    "--retry",
    callback=_retry,
    shell_complete=nothing,
    default="",
    metavar="failed,lost",
    help="Also run again what failed or was lost.",
)
@click.option(
    "--max-failures",
    type=click.IntRange(min=1),
    metavar="N",
    help="Stop after so many failed or lost runs.",
)
@click.option("--fail-fast", is_flag=True, help="As --max-failures 1.")
@click.option("--allocations", is_flag=True, help="Store every early allocation of every run, too.")
@click.option("--dry-run", is_flag=True, help="Only say how many runs, how long, how large.")
@click.option(
    "--run-seconds",
    type=FiniteRange(min=0, min_open=True, max=1e9),
    metavar="S",
    help="For --dry-run: how long a run takes, in place of a measurement.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
def verb(
    scenario: str,
    axes: dict[str, list[Any]],
    settings: dict[str, str],
    zip_axes: bool,
    points: str | None,
    out: str | None,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Run SCENARIO with all combinations of the axes' values, and store the results in DIR.

    The same command goes on where it was stopped, and a larger design runs only what is new.
    """
    from kho_sim.sweeps.sweeping import default_directory

    base = read_scenario(scenario, settings)
    chosen = _points(axes, zip_axes, points)
    keys = [key for point in chosen for key in point]
    directory = Path(out) if out else default_directory(Path(scenario).stem, base, keys)
    if dry_run:
        _print_plan(_plan(base, chosen, directory, options), directory, as_json)
        return 0
    try:
        done = _sweep(base, chosen, directory, options)
    except KeyboardInterrupt as stop:
        _print_resume(directory, out)
        return stopped_exit_code(stop)
    return _print_result(done, options["shard"], as_json)


def stopped_exit_code(stop: KeyboardInterrupt) -> int:
    """Return the exit code of a sweep that a signal stopped."""
    from kho_sim.sweeps.stop import SweepInterrupted

    heard = stop.signal_number if isinstance(stop, SweepInterrupted) else signal.SIGINT
    return SIGNAL_EXIT_BASE + heard


def _plan(base: Scenario, points: list[Point], directory: Path, options: dict[str, Any]) -> Plan:
    from kho_sim.base.pool import processors
    from kho_sim.sweeps.plan import plan_sweep
    from kho_sim.sweeps.sweeping import design_of
    from kho_sim.sweeps.tables import tables_of

    workers = options["workers"]
    return plan_sweep(
        design_of(base, points, options["replicates"]),
        directory,
        tables_of(base, options["allocations"]),
        workers=processors() if workers is None else max(workers, 1),
        shard=options["shard"],
        run_seconds=options["run_seconds"],
    )


def _sweep(base: Scenario, points: list[Point], directory: Path, options: dict[str, Any]) -> Sweep:
    from kho_sim.sweeps.progress import progress_reporter
    from kho_sim.sweeps.sweeping import sweep

    passed_on = ("replicates", "workers", "scheduler", "shard", "retry", "allocations")
    with progress_reporter() as progress:
        return sweep(
            base,
            points,
            directory,
            progress=progress,
            failures_max=1 if options["fail_fast"] else options["max_failures"],
            **{name: options[name] for name in passed_on},
        )


def _points(axes: dict[str, list[Any]], zip_axes: bool, file: str | None) -> list[Point]:
    from kho_sim.sweeps.design import crossed, product, read_points, zipped

    varied = zipped(axes) if zip_axes else product(axes)
    return crossed(read_points(file), varied) if file else varied


def _print_plan(plan: Plan, directory: Path, as_json: bool) -> None:
    from kho_sim.base.units import counted, format_size
    from kho_sim.sweeps.progress import duration

    if as_json:
        head = {"schema": "kho-sim/sweep-plan", "schema_version": 1, "directory": str(directory)}
        click.echo(json.dumps(head | asdict(plan), indent=2))
        return
    done = f"{counted(plan.runs, 'run')}, {plan.done:,} of them done"
    click.echo(f"{done}: {plan.to_run:,} to run in {directory}")
    if plan.to_run:
        click.echo(
            f"about {duration(plan.seconds)} with {counted(plan.workers, 'worker')} "
            f"({plan.run_seconds:.2g} s a run), about {format_size(plan.size_bytes)}"
        )


def _print_resume(directory: Path, out: str | None) -> None:
    words = ["kho-sim", *sys.argv[1:]]
    if out is None:
        words += ["-o", str(directory)]
    click.echo(f"stopped; all finished runs are stored. To go on:\n  {shlex.join(words)}", err=True)


def _print_result(done: Sweep, shard: tuple[int, int] | None, as_json: bool) -> int:
    counts = done.counts(shard)
    bad = {state: count for state, count in counts.items() if state not in ("ok", "pending")}
    if as_json:
        document = {
            "schema": "kho-sim/sweep-result",
            "schema_version": 1,
            "directory": str(done.directory),
            "runs": sum(counts.values()),
            "states": counts,
        }
        click.echo(json.dumps(document, indent=2))
    else:
        states_text = ", ".join(f"{count} {state}" for state, count in counts.items())
        click.echo(f"{states_text} in {done.directory}")
        if counts.get("ok"):
            click.echo(f"to see it: kho-sim report {shlex.quote(str(done.directory))}", err=True)
    if bad:
        states = done.states()
        for row in states[states["state"].isin(["failed", "lost"])].head(5).itertuples():
            click.echo(
                f"run {row.run_id} {row.state}, seed {row.seed}: {row.error}: {row.message}",
                err=True,
            )
    return PARTIAL if bad else 0
