"""What is released: one version, the package alone, a README whose links lead somewhere."""

import re
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import qdiverge
from tests.toml import tomllib

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_version_is_the_same_everywhere():
    assert qdiverge.__version__ == PROJECT["version"]
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)
    assert cited
    assert cited[1] == PROJECT["version"]
    changes = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert changes[0] in ("Unreleased", PROJECT["version"])


@pytest.mark.slow
def test_what_is_built_holds_what_it_should(tmp_path):
    """Builds in an environment of its own, which takes the network of pip's ordinary client."""
    built = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", tmp_path, ROOT]
    subprocess.run(built, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith("METADATA"))
        told = Parser().parsestr(archive.read(metadata).decode())
    assert {name.split("/")[0] for name in names} == {
        "qdiverge",
        f"qdiverge-{PROJECT['version']}.dist-info",
    }
    assert "qdiverge/report/report.css" in names
    links = re.findall(r"\]\(([^)]+)\)", told.get_payload())
    assert len(links) > 5
    assert all(link.startswith("https://") for link in links)
