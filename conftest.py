"""What pytest leaves alone, modules of frameworks that are not installed, and what it adds."""

from importlib.util import find_spec

NEEDS = {"lightning": "lightning", "sb3": "stable_baselines3"}
collect_ignore = [
    f"qdiverge/integrations/{module}.py" for module, needs in NEEDS.items() if not find_spec(needs)
]
PARTS = ("examples", "hangs", "leaks", "within", "workers")
pytest_plugins = [f"tests.harness.{part}" for part in PARTS]
