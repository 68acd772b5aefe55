"""Data files become dataclasses with sources; every mistake is found, with its line."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from kho_sim.base.data_file import DataFile, names_in, read_data_file
from kho_sim.base.errors import ModelError


@dataclass(frozen=True, slots=True)
class Demand:
    pages: int
    pages_per_cpu: int = 42


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes(DataFile):
    image_bytes: int
    words: tuple[str, ...] = ()
    order: int | None = None
    loud: bool = False
    demand: Demand
    extra: tuple[Demand, ...] = ()


GOOD = """
description = "A small kernel"
image_bytes = { value = 0x1000, source = "its log" }
words = { value = ["a", "b"], source = "its source" }
loud = { value = true, source = "its log" }

[demand]
pages = { value = 7, source = "a guess [I]" }
"""


def read(tmp_path, text):
    file = tmp_path / "small.toml"
    file.write_text(text, encoding="utf-8")
    return read_data_file(file, Sizes)


def test_a_file_becomes_its_dataclass_with_the_source_of_every_value(tmp_path):
    sizes = read(tmp_path, GOOD)
    assert (sizes.name, sizes.description) == ("small", "A small kernel")
    assert (sizes.image_bytes, sizes.words, sizes.order) == (0x1000, ("a", "b"), None)
    assert sizes.demand == Demand(7, 42)
    assert list(sizes.values()) == [
        ("image_bytes", 0x1000, "its log"),
        ("words", ("a", "b"), "its source"),
        ("loud", True, "its log"),
        ("demand.pages", 7, "a guess [I]"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("image_bytes", "image_byte", "small.toml:3:1: image_byte: this key is not known here"),
        ("image_bytes", "image_byte", "; nearest: image_bytes"),
        ("image_bytes", "image_byte", "small.toml: image_bytes: this key is missing"),
        ("pages =", "page =", "small.toml:8:1: demand.page: this key is not known here"),
        ("pages =", "page =", "small.toml:7:1: demand.pages: this key is missing"),
        ("[demand]", "[other]", "small.toml:7:1: other: this key is not known here"),
        ("[demand]", "[other]", "small.toml: demand: this key is missing"),
        ("0x1000", '"4KiB"', "small.toml:3:1: image_bytes: '4KiB' is not a whole number"),
        ("0x1000", "true", "small.toml:3:1: image_bytes: True is not a whole number"),
        ("= true", "= 1", "small.toml:5:1: loud: 1 is not true or false"),
        ('["a", "b"]', "[1]", "small.toml:4:1: words: [1] is not a list of texts"),
        ('"its source"', '" "', "small.toml:4:1: words: the source is empty"),
        (', source = "its source"', "", "small.toml:4:1: words: a value stands beside its source"),
        ("{ value = 7, source", "{ valu = 7, source", "small.toml:8:1: demand.pages: a value"),
        ('{ value = 7, source = "a guess [I]" }', "7", "small.toml:8:1: demand.pages: a value"),
        ('"A small kernel"', '""', "small.toml:2:1: description: there is no description"),
        ('description = "A small kernel"', "", "small.toml: description: there is no description"),
        ("[demand]", "[demand", "small.toml: Expected"),
        ("loud = {", "name = {", "small.toml:5:1: name: this key is not known here"),
        ("loud = {", "extra = {", "small.toml:5:1: extra: this key is not known here"),
    ],
)
def test_a_mistake_is_refused_with_its_place(tmp_path, old, new, problem):
    assert GOOD.count(old) == 1 or old == "image_bytes"
    with pytest.raises(ModelError) as error:
        read(tmp_path, GOOD.replace(old, new))
    assert problem in str(error.value)


def test_a_value_where_a_table_should_be_is_refused(tmp_path):
    head, _, _ = GOOD.partition("[demand]")
    with pytest.raises(ModelError, match=r"^small\.toml:7:1: demand: this is no table"):
        read(tmp_path, head + 'demand = "much"\n')


def test_every_mistake_of_a_file_is_found_at_once(tmp_path):
    text = GOOD.replace("0x1000", "1.5").replace("pages", "page").replace("words", "word")
    with pytest.raises(ModelError) as error:
        read(tmp_path, text)
    assert len(str(error.value).splitlines()) == 4


def test_names_are_ordered_by_their_numbers(tmp_path):
    for name in ("7.10", "7.3-b", "6.16", "7.3", "7.4"):
        (tmp_path / f"{name}.toml").touch()
    (tmp_path / "notes.md").touch()
    assert names_in(tmp_path) == ("6.16", "7.3", "7.3-b", "7.4", "7.10")
