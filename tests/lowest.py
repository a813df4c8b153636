"""Print the least version of each dependency that pyproject.toml promises, as pip constraints.

    python tests/lowest.py [NAME …] > constraints.txt    # all but the named ones

`make test-lowest` installs these and runs the tests with them.
"""

import re
import sys
import tomllib
from pathlib import Path

BOUND = re.compile(r"(?P<name>[\w.-]+)(\[[\w,]+\])?>=(?P<version>[\d.]+)(,.*)?")


def lowest(project: dict[str, object], leave_out: tuple[str, ...] = ()) -> list[str]:
    """Return ``name==version`` for the dependencies and those of the extra ``dev``.

    >>> extras = {"dev": ["q[one]", "pytest>=8.3"], "one": ["g[m]>=1.2"], "other": ["x>=3"]}
    >>> project = {"name": "q", "dependencies": ["numpy>=2.0"], "optional-dependencies": extras}
    >>> lowest(project)
    ['g==1.2', 'numpy==2.0', 'pytest==8.3']
    """
    extras = project["optional-dependencies"]
    assert isinstance(extras, dict)
    needs, todo = list[str](), [*project["dependencies"], *extras["dev"]]  # type: ignore[misc]
    while todo:
        need = todo.pop()
        own = re.fullmatch(rf"{project['name']}\[([\w,]+)\]", need)
        if own:
            todo += [each for extra in own[1].split(",") for each in extras[extra]]
        else:
            needs.append(need)
    found = dict[str, str]()
    for need in needs:
        bound = BOUND.fullmatch(need)
        if bound is None:
            raise ValueError(f"a lower bound, NAME>=VERSION, was expected; got {need!r}")
        found[bound["name"]] = bound["version"]
    return sorted(f"{name}=={found[name]}" for name in found if name not in leave_out)


if __name__ == "__main__":
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    print("\n".join(lowest(tomllib.loads(text)["project"], tuple(sys.argv[1:]))))
