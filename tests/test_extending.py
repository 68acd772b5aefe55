"""The worked examples of docs/extending.md run as they stand."""

import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "extending.md"
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_examples_run_one_after_the_other():
    text = DOCUMENT.read_text(encoding="utf-8")
    examples = EXAMPLE.findall(text)
    assert len(examples) == 7
    scope = {"__name__": "extending"}
    for example in examples:
        exec(compile(example, str(DOCUMENT), "exec"), scope)
