"""The lowest versions that pyproject.toml accepts, as pip's constraints: ``make test-lowest``.

Of what users install: the tools of the tests may be newer.
"""

import re
import tomllib
from itertools import chain
from pathlib import Path

OF_USERS = ("cluster", "notebooks")
PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def lowest(project):
    """Yield ``name==version`` for each requirement, which has a lower bound and nothing else."""
    extras = (project["optional-dependencies"][name] for name in OF_USERS)
    texts = [*project["dependencies"], *chain(*extras)]
    for text in texts:
        name, version = re.fullmatch(r"([\w.-]+)>=([\d.]+)", text).groups()
        yield f"{name}=={version}"


if __name__ == "__main__":
    print("\n".join(lowest(tomllib.loads(PYPROJECT.read_text())["project"])))  # noqa: T201
