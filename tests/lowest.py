"""Print the least version of each dependency that pyproject.toml promises, as pip constraints.

    python -m tests.lowest test > constraints.txt    # of the package and its extra `test`

`make test-lowest` installs these and runs the tests with them.
"""

import re
import sys
from pathlib import Path

from tests.toml import tomllib

BOUND = re.compile(r"(?P<name>[\w.-]+)(\[[\w,]+\])?>=(?P<version>[\d.]+)(,.*)?")


def lowest(project: dict[str, object], *extras: str) -> list[str]:
    """Return ``name==version`` for the dependencies and those of extras: the greatest of bounds.

    >>> extras = {"dev": ["q[one]", "numpy>=2.10"], "one": ["g[m]>=1.2"], "other": ["x>=3"]}
    >>> project = {"name": "q", "dependencies": ["numpy>=2.9"], "optional-dependencies": extras}
    >>> lowest(project), lowest(project, "dev")
    (['numpy==2.9'], ['g==1.2', 'numpy==2.10'])
    """
    known = project["optional-dependencies"]
    assert isinstance(known, dict)
    needs, todo = list[str](), [*project["dependencies"]]  # type: ignore[misc]
    todo += [need for extra in extras for need in known[extra]]
    while todo:
        need = todo.pop()
        own = re.fullmatch(rf"{project['name']}\[([\w,]+)\]", need)
        if own:
            todo += [each for extra in own[1].split(",") for each in known[extra]]
        else:
            needs.append(need)
    found = dict[str, str]()
    for need in needs:
        bound = BOUND.fullmatch(need)
        if bound is None:
            raise ValueError(f"a lower bound, NAME>=VERSION, was expected; got {need!r}")
        found[bound["name"]] = max(found.get(bound["name"], "0"), bound["version"], key=_numbers)
    return sorted(f"{name}=={version}" for name, version in found.items())


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


if __name__ == "__main__":
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    print("\n".join(lowest(tomllib.loads(text)["project"], *sys.argv[1:])))
