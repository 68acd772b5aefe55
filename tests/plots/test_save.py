"""What is in a saved figure besides the picture."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from kho_sim.base.errors import EngineError, InputError
from kho_sim.plots import memory_map, provenance_of, save
from tests.plots.traces import recorded, small


def test_a_png_says_where_it_comes_from(tmp_path: Path) -> None:
    trace = small()
    save(memory_map(trace), tmp_path / "map.png", trace)
    with Image.open(tmp_path / "map.png") as image:
        provenance = json.loads(image.text["Description"])
        assert image.text["Software"].startswith("kho_sim ")
    assert provenance["seed"] == trace.provenance["seed"]
    assert provenance["trace_sha256"] == trace.digest
    assert provenance["software"] == trace.provenance["software"]
    assert re.fullmatch("[0-9a-f]{64}", provenance["scenario_sha256"])


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_every_format_says_it_and_is_the_same_each_time(tmp_path: Path, kind: str) -> None:
    trace = recorded("machine-1G")
    for name in ("a", "b"):
        save(memory_map(trace), tmp_path / f"{name}.{kind}", provenance_of(trace))
    content = (tmp_path / f"a.{kind}").read_bytes()
    assert content == (tmp_path / f"b.{kind}").read_bytes()
    assert b"machine-1G.log.xz" in content
    assert trace.digest.encode() in content
    assert b"<dc:date>" not in content
    assert b"CreationDate" not in content


def test_another_scenario_has_another_digest() -> None:
    other = {**small().provenance, "scenario": {**small().provenance["scenario"], "sources": ["x"]}}
    changed = type(small())(provenance=other, outcome=small().outcome)
    assert provenance_of(changed)["scenario_sha256"] != provenance_of(small())["scenario_sha256"]


def test_what_cannot_be_saved_is_refused(tmp_path: Path) -> None:
    figure = memory_map(small())
    with pytest.raises(InputError, match="png, svg, pdf"):
        save(figure, tmp_path / "map.gif", small())
    with pytest.raises(EngineError, match="cannot be written"):
        save(figure, tmp_path / "nowhere" / "map.png", small())
