"""``pytest --within SECONDS``: the tests that fit into that time.

First those that failed last, then those that were never timed here, then the shortest, by the times
that every run notes in ``.pytest_cache``. Where nothing was timed yet, whatever is reached in time.
"""

import time
from collections import defaultdict

import pytest

PREPARATION = 15.0  # seconds: imports and collection
TIMES = "qdiverge/seconds"  # of each test, in pytest's cache
START = time.monotonic()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--within", type=float, help=__doc__, metavar="SECONDS")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.within is None:
        return
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    known = cached(config, TIMES)
    left = cached(config, "cache/lastfailed")
    fitting = fit(
        (config.option.within - PREPARATION) * workers,
        {
            item.nodeid: 0.0 if item.nodeid in left else known.get(item.nodeid, 0.0)
            for item in items
        },
    )
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in fitting])
    items[:] = [item for item in items if item.nodeid in fitting]


def fit(seconds: float, times: dict[str, float]) -> set[str]:
    """As many of the shortest as fit into the time together; all that take none."""
    fitting = set()
    for name, own in sorted(times.items(), key=lambda pair: pair[1]):
        seconds -= own
        if seconds < 0 and own:
            break
        fitting.add(name)
    return fitting


def cached(config: pytest.Config, key: str) -> dict[str, float]:
    cache = getattr(config, "cache", None)
    return cache.get(key, {}) if cache else {}


def pytest_runtest_setup(item: pytest.Item) -> None:
    limit = item.config.option.within
    if limit is not None and time.monotonic() - START > limit:
        pytest.skip(f"the {limit:g} s are over")


class Clock:
    """Notes how long each test took, with what it had to set up."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.times: defaultdict[str, float] = defaultdict(float)
        self.skipped: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.times[report.nodeid] += report.duration
        if report.skipped:
            self.skipped.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        new = {name: round(t, 3) for name, t in self.times.items() if name not in self.skipped}
        cache = getattr(self.config, "cache", None)
        if cache:
            cache.set(TIMES, cached(self.config, TIMES) | new)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # where the reports of all workers arrive
        config.pluginmanager.register(Clock(config))
