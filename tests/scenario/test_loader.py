"""Reading scenarios: any text, any file; what comes out is a Scenario or a ScenarioError."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kho_sim.base.errors import ScenarioError
from kho_sim.scenario import Scenario, from_dict, json_schema, load, loads
from kho_sim.scenario.expectations import Expectation
from kho_sim.scenario.yaml_tree import MAX_BYTES, read_yaml, write_yaml

HERE = Path(__file__).parent
INVALID = sorted((HERE / "invalid").glob("*.yaml"))
VALID = sorted((HERE / "valid").glob("*.yaml"))
CORPUS = [file.read_bytes().decode(errors="replace") for file in (*INVALID, *VALID)]


def problems_of(text):
    with pytest.raises(ScenarioError) as error:
        loads(text)
    return [str(problem) for problem in error.value.problems]


def scenario_or_error(text):
    try:
        scenario = loads(text)
    except ScenarioError as error:
        found = error.problems
    else:
        found = loads(scenario.to_yaml()) == scenario
    assert found


@given(st.text())
@example("\ud800")
@example("\x00")
@example("\ufeffmachine: {memory: 4GiB}")
@example("{" * 3000)
@example("- " * 3000)
@example("a: &a [*a]")
@example("{a: 1, a: " * 200)
@example("machine: {memory: 4GiB, cpus: " + "9" * 5000 + "}")
@example("machine: {memory: 4GiB}\nexpect: {failures: '" + "9" * 5000 + "'}")
def test_any_text_is_a_scenario_or_an_error(text):
    scenario_or_error(text)


@settings(max_examples=150)
@given(st.sampled_from(CORPUS), st.data())
def test_any_damaged_scenario_is_a_scenario_or_an_error(text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 9, len(text))))
    alphabet = st.characters(codec="utf-8") | st.sampled_from("{}[]:,-&*!|>'\"#%~\n \t0x")
    scenario_or_error(text[:start] + data.draw(st.text(alphabet, max_size=5)) + text[end:])


WORDS = st.sampled_from(
    [
        "machine",
        "memory",
        "kernel",
        "extend",
        "releases",
        "early",
        "workload",
        "kind",
        "memfd",
        "size",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
)


@given(st.dictionaries(WORDS, VALUES))
def test_any_values_are_a_scenario_or_an_error(values):
    try:
        found = from_dict(values)
    except ScenarioError as error:
        found = error.problems
    assert found


PLAIN = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), PLAIN, max_size=4))
@example(
    {"a": ["no", "1:30", "010", "1e3", "0x10", "null", "~", "", "true", "True", "<<", "=", "1.5"]}
)
def test_yaml_that_is_written_reads_back(values):
    document = read_yaml(write_yaml(values), "x")
    assert (document.value, document.problems) == (values, [])


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n", "~\n"])
def test_an_empty_text_says_what_a_scenario_needs(text):
    (problem,) = problems_of(text)
    assert "the scenario is empty; it needs at least machine: {memory: 64GiB}" in problem


def test_input_is_bounded():
    assert "more than the 1048576 bytes" in problems_of("#" * (MAX_BYTES + 1))[0]
    assert "more than 20000 values" in problems_of("sources: [" + "x," * 30_000 + "]")[-1]


def test_files_that_cannot_be_read_are_errors_with_a_name(tmp_path):
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"machine: {memory: 4GiB}\ndescription: caf\xe9\n")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * MAX_BYTES + "é".encode())
    expected = {
        tmp_path / "none.yaml": "none.yaml: this is not there",
        tmp_path: f"{tmp_path}: this is a folder",
        pipe: "pipe: this is no regular file",
        latin: "latin.yaml:2:17: this is not UTF-8 text",
        large: "more than the 1048576 bytes",
        "a\0b": "this is not there",
    }
    for path, message in expected.items():
        with pytest.raises(ScenarioError) as error:
            load(path)
        assert message in str(error.value), path


def test_the_pure_python_parser_finds_the_same(monkeypatch):
    """PyYAML without libyaml: same values, same places; only its own words differ."""
    texts = [text for text in CORPUS if "not YAML" not in text]
    with_c = [(read_yaml(text, "x").value, read_yaml(text, "x").problems) for text in texts]
    monkeypatch.setattr("kho_sim.scenario.yaml_tree._LOADER", yaml.SafeLoader)
    assert [(read_yaml(text, "x").value, read_yaml(text, "x").problems) for text in texts] == with_c


def test_a_profile_needs_a_folder_to_be_in():
    text = "machine: {memory: 4GiB}\nkernel: {profile: p.yaml}\n"
    assert problems_of(text) == [
        "<string>:2:19: kernel.profile: a profile can only be named in a scenario file"
    ]


def test_keys_of_the_scenario_win_over_its_profile(tmp_path):
    (tmp_path / "p.yaml").write_text("image: 8MiB\ninitrd: 1MiB\ncommand_line: quiet\n")
    text = "machine: {memory: 4GiB}\nkernel: {profile: p.yaml, image: 9MiB}\n"
    kernel = loads(text, base=tmp_path).kernel
    assert (kernel.image, kernel.initrd, kernel.command_line) == (9 << 20, 1 << 20, "quiet")
    assert kernel.profile is None


def test_each_boot_has_its_release_and_the_last_one_stays():
    kernel = load(VALID[[file.stem for file in VALID].index("releases")]).kernel
    assert kernel.at(0).command_line == "kho_scratch=64M,64M,64M"
    assert (kernel.at(0).image, kernel.at(0).extend.shift) == (None, 24)
    for boot in (1, 2, 9):
        assert kernel.at(boot).image == 24 << 20
        assert (kernel.at(boot).extend.strategy, kernel.at(boot).extend.shift) == ("none", 28)
        assert [allocation.what for allocation in kernel.at(boot).early] == ["new table"]
        assert kernel.at(boot).command_line == kernel.command_line


def test_the_digest_key_holds_what_decides_a_run_and_nothing_else():
    text = "machine: {memory: 4GiB}\n"
    same = text + "description: words\nsources: [words]\nexpect: {failures: 0}\nchain: {boots: 3}\n"
    assert loads(text).digest_key() == loads(same).digest_key()
    assert loads(text).digest_key() != loads(text + "chain: {boots: 4}\n").digest_key()


def test_scenarios_are_frozen():
    scenario = loads("machine: {memory: 4GiB}")
    with pytest.raises(ValueError, match="frozen"):
        scenario.machine.cpus = 5


def test_all_memory_of_a_machine_however_given():
    assert loads("machine: {memory: 4GiB}").machine.total_bytes == 4 << 30
    assert loads("machine: {node_memory: [1GiB, 3GiB]}").machine.total_bytes == 4 << 30
    ranges = "machine: {memory_map: [{start: 4096, end: 8192}, {start: 1M, end: 129M}]}"
    assert loads(ranges).machine.total_bytes == 4096 + (128 << 20)


@pytest.mark.parametrize(
    ("written", "actual", "holds"),
    [
        (0, 0, True),
        (0, 1, False),
        ("<= 3", 3, True),
        ("<= 3", 4, False),
        (">=3", 2, False),
        ("< 1.5", 1.25, True),
        ("> 2", 2, False),
        ("!= 2", 2, False),
        ("== 2", 2, True),
        ("<= 3", None, False),
        ("!= 3", None, False),
        ("<= 3", "few", False),
    ],
)
def test_expectations_compare_numbers(written, actual, holds):
    expect = {"failures": written}
    (expected,) = from_dict({"machine": {"memory": "4GiB"}, "expect": expect}).expectations
    assert expected.holds(actual) is holds


def test_expectations_compare_outcomes():
    assert Expectation("outcome", "==", "completed").holds("completed")
    assert not Expectation("outcome", "==", "completed").holds("boot_failed")
    assert Expectation("outcome", "!=", "completed").holds("boot_failed")
    assert not Expectation("outcome", "!=", "completed").holds("completed")


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.stem)
def test_the_json_schema_accepts_what_is_valid(file):
    jsonschema.validate(yaml_values(file), json_schema())
    jsonschema.validate(load(file).to_dict(), json_schema())


@pytest.mark.parametrize(
    "name",
    [
        "unknown-key-in-extend",
        "size-decimal-looking",
        "strategy-unknown",
        "twin-no",
        "null-section",
    ],
)
def test_the_json_schema_refuses_what_an_editor_can_see(name):
    file = next(file for file in INVALID if file.stem == name)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml_values(file), json_schema())


def yaml_values(file):
    return read_yaml(file.read_text(), file.name).value


def test_the_json_schema_is_a_schema_with_help_texts():
    schema = json_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    assert "KHO_EXT_SHIFT" in json.dumps(schema)
    assert '"null"' not in json.dumps(schema)
    assert set(schema["properties"]) == set(Scenario.model_fields)


def test_reading_a_command_line_loads_no_schema_and_nothing_here_loads_frames():
    code = (
        "import sys; import kho_sim.base.command_line; print('pydantic' in sys.modules);"
        "import kho_sim.scenario as s; s.load; s.with_values, s.json_schema;"
        "print(sorted({'numpy', 'pandas', 'simpy', 'matplotlib'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split("\n")[:2] == ["False", "[]"]


@pytest.mark.parametrize(
    "foreign",
    [
        "root:$6$SECRET:20228:0:99999:7:::\nme:$6$SECRET:20228:0:99999:7:::\n",
        "password: SECRET\nuser: me\n",
        "[client]\npassword = SECRET\n",
        "SECRET=1\0HOME=/root\0",
        "- SECRET\n- [SECRET\n",
    ],
)
def test_nothing_is_shown_of_a_profile_that_is_another_file(foreign, tmp_path):
    (tmp_path / "foreign").write_text(foreign)
    (tmp_path / "s.yaml").write_text("machine: {memory: 4GiB}\nkernel: {profile: foreign}\n")
    with pytest.raises(ScenarioError, match=r"foreign holds no mapping of kernel keys") as found:
        load(tmp_path / "s.yaml")
    assert "SECRET" not in str(found.value)
    assert "password" not in str(found.value)


def test_a_profile_is_a_regular_file_of_a_sane_size(tmp_path):
    (tmp_path / "large.yaml").write_text("image: 8MiB\n" + "#" * (1 << 20))
    for name, reason in (
        ("/dev/zero", "no regular file"),
        ("/dev/stdin", "no regular file"),
        (".", "is a folder"),
        ("large.yaml", "has more than the 1048576 bytes"),
    ):
        (tmp_path / "s.yaml").write_text(
            f"machine: {{memory: 4GiB}}\nkernel: {{profile: {name}}}\n"
        )
        with pytest.raises(ScenarioError, match=reason):
            load(tmp_path / "s.yaml")
