"""Do the tests bite? A random sample of small faults, each run against the tests that reach it.

    make mutants
    python tests/mutants.py results.jsonl --room runs --seed 1
    python tests/mutants.py again.jsonl --again results.jsonl --seconds 60

The faults are Cosmic Ray's, and two of our own: a statement left out, a keyword argument left out.
Every place in the code that can be mutated is as likely as any other of its room, and one of its
mutations is drawn. It works in a copy of the tree; a process that has imported torch forks for
each mutant. The results are appended as they come, and a second start goes on.
"""

import argparse
import collections
import contextlib
import difflib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

ROOMS = {  # name: how many mutants, where, and the tests beside the files' own doctests
    "theory": (170, ["qdiverge/theory"], ["tests/theory", "tests/diagnostics"]),
    "kernel": (170, ["qdiverge/kernel"], ["tests/kernel", "tests/diagnostics", "tests/preqn"]),
    "replay": (120, ["qdiverge/agents/replay"], ["tests/agents"]),
    "targets": (
        60,
        ["qdiverge/td.py", "qdiverge/agents/losses.py", "qdiverge/agents/discrete/categorical.py"],
        ["tests/agents"],
    ),
    "checkpoints": (
        60,
        ["qdiverge/agents/checkpoints"],
        ["tests/agents", "tests/cli/test_resume.py"],
    ),
    "runs": (
        120,
        ["qdiverge/runs"],
        [
            "tests/runs",
            "tests/monitor",
            "tests/sinks",
            "tests/cli/test_resume.py",
            "tests/experiments/test_sweep.py",
        ],
    ),
}
RECORDS = "tests/test_records.py"
# Killed in its midst, it would leave a disk mounted.
MOUNTS = (
    "tests/agents/checkpoints/test_checkpoints.py::test_a_full_disk_leaves_everything_as_it_was"
)
SETTINGS = "--doctest-modules --import-mode=importlib"
LONGEST = 5.0  # seconds that a test may take to be used at all
NO_FAULT = ("frozen", "remedy")  # arguments that may go: of a dataclass, of an error's text
BITWISE = re.compile(r"RShift|LShift|BitOr|BitAnd|BitXor")


def is_left_out(node):
    """A statement for its effect alone: a call, or an assignment to what outlives the line."""
    if node.type == "simple_stmt":
        first = node.children[0]
        if first.type == "atom_expr":
            return True
        if first.type == "expr_stmt":
            target, sign = first.children[:2]
            return sign.type == "operator" and (sign.value != "=" or target.type == "atom_expr")
    return False


class LeaveOutStatement:
    """``f(x)``, ``x += 1`` and ``x.y = 1`` become ``pass``."""

    def mutation_positions(self, node):
        if is_left_out(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node, index):
        import parso

        prefix = node.get_first_leaf().prefix
        node.children[0] = parso.python.tree.Keyword("pass", node.start_pos, prefix)
        return node


class LeaveOutArgument:
    """``f(x, y=1)`` becomes ``f(x)``."""

    def mutation_positions(self, node):
        if node.type == "argument" and node.parent.type in ("arglist", "trailer"):
            name, sign = node.children[:2]
            if sign.type == "operator" and sign.value == "=" and name.value not in NO_FAULT:
                yield node.start_pos, node.end_pos

    def mutate(self, node, index):
        import parso

        return parso.python.tree.Name("**{}", node.start_pos, node.get_first_leaf().prefix)


def operators():
    """Every operator, by name, that needs no settings."""
    from cosmic_ray.plugins import get_operator, operator_names

    found = {name.split("/")[-1]: get_operator(name) for name in operator_names()}
    found = {name: kind() for name, kind in found.items() if not kind.arguments()}
    for name in [n for n in found if "Binary" in n and len(BITWISE.findall(n)) == 1]:
        del found[name]  # 2 << 0.5 only ever raises
    return found | {kind.__name__: kind() for kind in (LeaveOutStatement, LeaveOutArgument)}


def is_no_code(node):
    """Whether a node stands in a type, or between parameters, where a mutation says nothing."""
    while node.parent is not None:
        above = node.parent
        if above.type == "annassign" and node is above.children[1]:
            return True
        if above.type == "funcdef" and node not in (above.children[2], above.children[-1]):
            return True
        if above.type == "parameters" and node.type == "operator":
            return True
        if above.type == "param" and node is not above.default:
            return True
        node = above
    return False


def places(path):
    """Where a file can be mutated: {(line, column, kind): [(operator, occurrence), ...]}."""
    from cosmic_ray.ast import ast_nodes, get_ast

    found = collections.defaultdict(list)
    nodes = list(ast_nodes(get_ast(path.read_text())))
    for name, operator in operators().items():
        occurrence = 0
        for node in nodes:
            for (line, column), _ in operator.mutation_positions(node):
                if not is_no_code(node):
                    kind = re.sub(r"_.*", "", name)
                    found[line, column, kind].append((name, occurrence))
                occurrence += 1
    return found


def sample(seed):
    """The mutants: room, file, line, operator, occurrence."""
    mutants = []
    for room, (number, where, _) in ROOMS.items():
        rng = random.Random(f"{seed} {room}")
        files = [f for w in map(Path, where) for f in (sorted(w.rglob("*.py")) or [w])]
        everywhere = [
            (str(file), place, choices)
            for file in files
            for place, choices in sorted(places(file).items())
        ]
        for file, (line, _, _), choices in rng.sample(everywhere, min(number, len(everywhere))):
            mutants.append((room, file, line, *rng.choice(choices)))
    return mutants


def mutated(path, operator, occurrence):
    """The text of a mutant."""
    from cosmic_ray.mutating import mutate_code

    return mutate_code(path.read_text(), operators()[operator], occurrence)


class Tracer:
    """A plugin of pytest: which lines each test runs, and how long it takes."""

    def __init__(self, files):
        self.files = {str(Path(file).resolve()): file for file in files}
        self.lines = collections.defaultdict(set)
        self.seconds, self.test = {}, None

    def local(self, frame, event, argument):
        self.lines[self.files[frame.f_code.co_filename], frame.f_lineno].add(self.test)
        return self.local

    def trace(self, frame, event, argument):
        return self.local(frame, event, None) if frame.f_code.co_filename in self.files else None

    def pytest_runtest_logstart(self, nodeid):
        self.test = nodeid
        sys.settrace(self.trace)
        threading.settrace(self.trace)

    def pytest_runtest_logfinish(self):
        sys.settrace(None)
        threading.settrace(None)

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration


class FirstFailure:
    """A plugin of pytest: writes down which test failed, wherever that has changed to."""

    def __init__(self):
        self.path = Path("killer").resolve()

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.path.write_text(report.nodeid)

    def pytest_collectreport(self, report):
        if report.failed:
            self.path.write_text(report.nodeid)


def run_tests(tests, plugin, expression="not slow and not frameworks"):
    """Pytest, in this process; its exit code."""
    import hypothesis
    import pytest

    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]  # no failure is made small
    hypothesis.settings.register_profile("m", database=None, deadline=None, phases=phases)
    hypothesis.settings.load_profile("m")
    plain = f"-x -q --basetemp=tmp --deselect={MOUNTS} --hypothesis-seed=0".split()
    plain += ["-p", "no:randomly", "-p", "no:cacheprovider"]
    plain += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # those imported before the fork
    return pytest.main([*plain, "-o", f"addopts={SETTINGS}", "-m", expression, *tests], [plugin])


def in_child(work, seconds):
    """Run ``work`` in a fork: its exit code, and its CPU time.

    The code is None where it takes more seconds of CPU than that, or ten times as many by the
    clock: the machine may be busy with other things.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    child = os.fork()
    if child == 0:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
        silence = os.open("output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        code = 70
        try:
            code = int(work())
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    end = time.monotonic() + 10 * seconds
    found: int | None = None
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            found = os.waitstatus_to_exitcode(status)
            break
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # and whatever it started
    if found is None:
        os.waitpid(child, 0)
    elif found in (-signal.SIGXCPU, -signal.SIGKILL):
        found = None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return found, cpu


def coverage_map(mutants):
    """Which tests reach each line, {"file:line": [test, ...]}, and {test: seconds}."""
    tracer = Tracer(sorted({file for _, file, *_ in mutants}))
    places = [p for room in {room for room, *_ in mutants} for ps in ROOMS[room][1:] for p in ps]

    def work():
        code = run_tests([*sorted(set(places)), RECORDS], tracer)
        lines = {f"{file}:{line}": sorted(tests) for (file, line), tests in tracer.lines.items()}
        Path("map.json").write_text(json.dumps([lines, tracer.seconds]))
        return code

    code, cpu = in_child(work, 3600)
    if code != 0:
        sys.exit(f"the tests fail without any mutation:\n{Path('output').read_text()[-3000:]}")
    print(f"mapped the tests in {cpu:.0f} s of CPU")
    return json.loads(Path("map.json").read_text())


def tests_of(file, line, lines, seconds, in_all):
    """The tests that reach a line, those of its own folder first, then the fast ones first."""
    above = (lines.get(f"{file}:{n}") for n in range(line, line - 10, -1))  # of its statement
    reaching = set(next(filter(None, above), ()))
    if not reaching:  # run at import: whatever reaches the file
        reaching = {t for where, ts in lines.items() if where.startswith(f"{file}:") for t in ts}
        reaching |= {test for test in seconds if test.startswith(RECORDS)}
    path = Path(file)
    home = f"tests/{path.parent.relative_to('qdiverge')}"
    own = f"{home}/test_{path.name}::"  # it may reach the line in a process of its own
    reaching |= {test for test in seconds if test.startswith(own)}
    order = sorted(reaching, key=lambda t: (not t.startswith((home, file)), seconds[t]))
    chosen, total = [], 0.0
    for test in order:
        if seconds[test] <= LONGEST and total + seconds[test] <= in_all:
            chosen.append(test)
            total += seconds[test]
    return chosen, total


def try_mutant(room, file, line, operator, occurrence, lines, seconds, in_all):
    """Run the tests of one mutant; a line of the results."""
    path = Path(file)
    original, times = path.read_text(), path.stat()
    changed = mutated(path, operator, occurrence)
    difference = list(difflib.unified_diff(original.split("\n"), changed.split("\n"), n=0))
    tests, total = tests_of(file, line, lines, seconds, in_all)
    result = {"room": room, "file": file, "line": line, "operator": operator}
    result |= {"occurrence": occurrence, "diff": [d.strip("\n") for d in difference[3:]]}
    result |= {"tests": len(tests), "outcome": "survived", "by": None, "cpu": 0.0}
    try:
        compile(changed, file, "exec")
    except SyntaxError:
        return result | {"outcome": "no program"}
    if not tests:  # none reaches it
        return result
    Path("killer").unlink(missing_ok=True)
    try:
        path.write_text(changed)
        os.utime(path, (times.st_atime, times.st_mtime + 9))  # so that no byte code passes for it
        code, cpu = in_child(lambda: run_tests(tests, FirstFailure()), 10 + 4 * total)
    finally:
        path.write_text(original)
        os.utime(path, (times.st_atime, times.st_mtime))
    by = Path("killer").read_text() if Path("killer").exists() else f"exit code {code}"
    if code is None:
        return result | {"outcome": "timed out", "cpu": cpu}
    if by == "exit code 1":  # a failure of no test: of this machine, not of the mutant
        sys.exit(Path("output").read_text()[-3000:])
    return result | ({"cpu": cpu} if code == 0 else {"outcome": "killed", "by": by, "cpu": cpu})


def summary(results):
    """The table of MUTANTS.md."""
    rows = list(map(json.loads, results.read_text().splitlines()))
    outcomes = ["killed", "timed out", "survived", "no program"]
    print(f"| room | mutants | {' | '.join(outcomes)} | CPU minutes |")
    for room in ROOMS:
        own = [row for row in rows if row["room"] == room]
        counts = [sum(row["outcome"] == outcome for row in own) for outcome in outcomes]
        cpu = sum(row["cpu"] for row in own) / 60
        print(f"| {room} | {len(own)} | {' | '.join(map(str, counts))} | {cpu:.1f} |")


def copy_tree(folder):
    """What git knows of the tree, as it stands now."""
    names = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True)
    for name in filter(None, names.stdout.split("\0")):
        if Path(name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, folder / name)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--room", choices=ROOMS, help="this one alone")
    parser.add_argument("--again", type=Path, help="results whose survivors are tried once more")
    parser.add_argument("--seconds", type=float, default=5.0, help="of tests for each mutant")
    options = parser.parse_args()
    results = options.results.resolve()
    results.parent.mkdir(parents=True, exist_ok=True)
    results.touch()
    if options.again:
        lines = map(json.loads, options.again.read_text().splitlines())
        kept = [r for r in lines if r["outcome"] == "survived"]
        mutants = [(r["room"], r["file"], r["line"], r["operator"], r["occurrence"]) for r in kept]
    else:
        mutants = sample(options.seed)
    mutants = [mutant for mutant in mutants if options.room in (None, mutant[0])]
    done = set()
    for row in map(json.loads, results.read_text().splitlines()):
        done.add((row["file"], row["operator"], row["occurrence"]))

    folder = Path(tempfile.mkdtemp(prefix="mutants-"))
    copy_tree(folder)
    os.chdir(folder)
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder)}
    sys.path[0] = str(folder)
    import hypothesis  # noqa: F401
    import numpy  # noqa: F401
    import pytest  # noqa: F401
    import torch  # noqa: F401

    try:
        lines, seconds = coverage_map(mutants)
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        random.Random(options.seed).shuffle(mutants)
        for mutant in mutants:
            _, file, _, operator, occurrence = mutant
            if (file, operator, occurrence) in done:
                continue
            row = try_mutant(*mutant, lines, seconds, options.seconds)
            with results.open("a") as out:
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
    finally:
        os.chdir(results.parent)
        shutil.rmtree(folder)
    summary(results)


if __name__ == "__main__":
    main()
