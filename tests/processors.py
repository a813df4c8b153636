"""The numerical tests on every processor that this one can stand for: ``make test-processors``.

Sums are made in another order under each instruction set and number of threads, so that a test
that holds on one processor by luck fails under some setting here. Numerical is what lies in
``FOLDERS``: whatever is added there is covered. Each setting is a pytest process of its own with
the variables that PyTorch, oneDNN, MKL and OpenBLAS read themselves; that they took effect is
looked up in a process under the same variables, and what the machine cannot do is said.

MKL takes another path on Intel's processors than on AMD's, and no variable exchanges the two.
"""

import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("kernel", "theory", "mdp", "preqn", "diagnostics", "monitor", "agents")


@dataclass(frozen=True)
class Setting:
    """Environment variables, and what a process under them must say of itself."""

    name: str
    variables: dict[str, str]
    fact: str
    expected: object


SETTINGS = (
    Setting("one thread", {}, "threads", 1),
    Setting("two threads", {"OMP_NUM_THREADS": "2"}, "threads", 2),
    Setting("ATen without AVX", {"ATEN_CPU_CAPABILITY": "default"}, "ATen", "DEFAULT"),
    Setting("ATen AVX2", {"ATEN_CPU_CAPABILITY": "avx2"}, "ATen", "AVX2"),
    Setting("ATen AVX-512", {"ATEN_CPU_CAPABILITY": "avx512"}, "ATen", "AVX512"),
    Setting("oneDNN SSE4.1", {"ONEDNN_MAX_CPU_ISA": "SSE41"}, "oneDNN", "Intel SSE4.1"),
    Setting("oneDNN AVX2", {"ONEDNN_MAX_CPU_ISA": "AVX2"}, "oneDNN", "Intel AVX2"),
    Setting(
        "oneDNN AVX-512",
        {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
        "oneDNN",
        "Intel AVX-512 with AVX512BW, AVX512VL, and AVX512DQ extensions",
    ),
    Setting("MKL compatible", {"MKL_CBWR": "COMPATIBLE"}, "MKL", "COMPATIBLE"),
    Setting("OpenBLAS SSE4.2", {"OPENBLAS_CORETYPE": "Nehalem"}, "OpenBLAS", "Nehalem"),
    Setting("OpenBLAS AVX2", {"OPENBLAS_CORETYPE": "Haswell"}, "OpenBLAS", "Haswell"),
    Setting("OpenBLAS AVX-512", {"OPENBLAS_CORETYPE": "SkylakeX"}, "OpenBLAS", "SkylakeX"),
)
FACTS = """
import json, re, subprocess, sys
code = '''
import torch
a = torch.ones(64, 64)
with torch.backends.mkl.verbose(torch.backends.mkl.VERBOSE_ON):
    a @ a
with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
    torch.nn.functional.conv2d(torch.ones(2, 4, 20, 20), torch.ones(8, 4, 3, 3))
'''
said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
import numpy, torch
from threadpoolctl import threadpool_info
blas = [pool for pool in threadpool_info() if pool["internal_api"] == "openblas"]
print(json.dumps({
    "threads": torch.get_num_threads(),
    "ATen": torch.backends.cpu.get_cpu_capability(),
    "oneDNN": "".join(re.findall(r"cpu,isa:(.*)", said)),
    "MKL": "".join(re.findall(r"CNR:(\\S+)", said)[:1]),
    "OpenBLAS": blas[0]["architecture"] if blas else "",
}))
"""
ATEN = ("DEFAULT", "AVX2", "AVX512")  # a request beyond the machine is an illegal instruction


def environment(setting: Setting) -> dict[str, str]:
    """Return the variables of a process under ``setting``, and none of another setting's."""
    others = {name for each in SETTINGS for name in each.variables}
    kept = {name: value for name, value in os.environ.items() if name not in others}
    waiting = {"OMP_WAIT_POLICY": "PASSIVE"}  # threads that wait on a busy machine would spin
    return kept | waiting | {"OMP_NUM_THREADS": "1"} | setting.variables


def facts(setting: Setting) -> dict[str, object]:
    """Return what a process under ``setting`` says of itself; nothing if it cannot even start."""
    call = [sys.executable, "-c", FACTS]
    done = subprocess.run(call, env=environment(setting), cwd=ROOT, capture_output=True, text=True)
    return dict(json.loads(done.stdout)) if done.returncode == 0 else {}


def why_not(setting: Setting, machine: dict[str, object]) -> str:
    """Return why this machine cannot do ``setting``; nothing where it is in effect."""
    if setting.fact == "ATen" and setting.expected in ATEN:
        best = machine["ATen"]
        if best not in ATEN or ATEN.index(best) < ATEN.index(setting.expected):
            return f"skipped: the best here is {best}"
    found = facts(setting).get(setting.fact, "")
    if found != setting.expected:
        return f"skipped: {setting.fact} says {found or 'nothing'} under {setting.variables}"
    return ""


def tested(setting: Setting, paths: list[str]) -> tuple[str, bool]:
    """Run pytest under ``setting``; return a line on the outcome and whether nothing failed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        options = ["-p", "no:cacheprovider", "--tb=short", f"--junitxml={report}"]
        call = [sys.executable, "-m", "pytest", *options, *paths]
        done = subprocess.run(call, env=environment(setting), cwd=ROOT, check=False)
        if not report.exists():
            return f"pytest ended with status {done.returncode}", False
        suite = ET.parse(report).getroot()[0]
    count = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    bad = count["failures"] + count["errors"]
    passed = count["tests"] - bad - count["skipped"]
    took = float(suite.get("time", 0))
    return f"{passed} passed, {bad} failed in {took:.0f} s", done.returncode == 0


def main(paths: list[str]) -> int:
    """Test under every setting, print the table, and return 1 if a test failed anywhere."""
    paths = paths or [f"{part}/{folder}" for part in ("tests", "qdiverge") for folder in FOLDERS]
    machine, rows, is_sound = facts(SETTINGS[0]), [], True
    for setting in SETTINGS:
        said = why_not(setting, machine)
        if not said:
            print(f"\n== {setting.name}: {setting.variables}", flush=True)
            said, passed = tested(setting, paths)
            is_sound &= passed
        rows.append((setting.name, said))
    print("\n" + "\n".join(f"{name:<18} {said}" for name, said in rows))
    return 0 if is_sound else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
