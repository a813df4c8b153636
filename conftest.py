"""What pytest leaves alone, modules of frameworks that are not installed, and what it adds."""

from importlib.util import find_spec

NEEDS = {"lightning": "lightning", "sb3": "stable_baselines3"}
collect_ignore = [
    f"qdiverge/integrations/{module}.py" for module, needs in NEEDS.items() if not find_spec(needs)
]
pytest_plugins = ["tests.harness.hangs", "tests.harness.leaks", "tests.harness.workers"]
