"""Every data file of a build loads, says where its values are from, and ships with the package."""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from kho_sim.base.data_file import HEAD, read_data_file
from kho_sim.builds import (
    BUILDS,
    DEFAULT_BUILD,
    FILES,
    FOLDER,
    Build,
    Config,
    ImageSections,
    PageDemand,
    load_build,
)
from kho_sim.releases import FOLDER as RELEASE_FILES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", FILES)
def test_a_build_has_every_size_and_its_source(name):
    """Options that are off, and what a platform does not have, may be left out."""
    build = read_data_file(FOLDER / f"{name}.toml", Build)
    assert build.name == name
    assert not build.early
    sizes = (
        {one.name for one in fields(build)} - set(HEAD) - {"early", "config", "demand", "sections"}
    )
    required = {one.name for one in fields(build) if one.default is MISSING} - set(HEAD)
    demand = {f"demand.{one.name}" for one in fields(PageDemand)}
    options = {f"config.{one.name}" for one in fields(Config)}
    options |= {f"sections.{one.name}" for one in fields(ImageSections)}
    assert required - {"demand"} | demand <= set(build.sources) <= sizes | demand | options
    assert all(source.strip() for source in build.sources.values())


def test_the_builds_are_the_files_of_the_folder():
    assert set(FILES) == {file.stem for file in FOLDER.iterdir() if file.suffix == ".toml"}
    assert set(FILES) - set(BUILDS) == {"arm64-lab-16KiB", "arm64-lab-64KiB"}
    assert DEFAULT_BUILD in BUILDS


def test_the_recorded_build_needs_no_larger_init_size():
    """Facts 11: init_size holds the image and what lies behind it."""
    build = load_build()
    assert build.image_bytes + build.brk_bytes <= build.init_size_bytes


@pytest.mark.parametrize("folder", [FOLDER, RELEASE_FILES], ids=lambda folder: folder.name)
def test_data_files_ship_with_the_package(folder):
    """A wheel takes all files of its packages that git does not ignore."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert build["targets"]["wheel"]["packages"] == ["kho_sim"]
    assert set(build) == {"targets"}
    assert folder.is_relative_to(ROOT / "kho_sim")
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert not [line for line in ignored if "toml" in line or line.strip("/") == folder.name]
