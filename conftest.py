"""What pytest leaves alone, modules of frameworks that are not installed, and what it adds."""

from importlib.util import find_spec

NEEDS = {"lightning": "lightning", "sb3": "stable_baselines3"}
collect_ignore = [
    *(f"qdiverge/integrations/{at}.py" for at, needs in NEEDS.items() if not find_spec(needs)),
    *(["docs/tools/shown_docstrings.py"] if not find_spec("griffe") else []),
]
PARTS = ("examples", "hangs", "leaks", "within", "workers")
pytest_plugins = [f"tests.harness.{part}" for part in PARTS]
