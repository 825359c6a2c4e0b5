"""The benchmarks run; what they measure is theirs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["analysis", "masks", "readability", "recipe"])
def test_a_benchmark_compares_both_sides(name, tmp_path):
    command = [sys.executable, PROJECT / f"benchmarks/{name}.py", "--small", "--repeats", "1"]
    done = subprocess.run([*command, "--json", tmp_path / "rows.json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "rows.json").read_text())
    cases = {row["case"] for row in rows}
    assert all(row["benchmark"] == name and len(row["seconds"]) == 1 and row["peak_mb"] > 0 for row in rows)
    assert all({row["side"] for row in rows if row["case"] == case} > {"pielab"} for case in cases)
