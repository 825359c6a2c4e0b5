"""The benchmarks run; what they measure is theirs."""

import importlib.util
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


@pytest.mark.parametrize(
    "options",
    [["gpu", "--repeats", "1"], ["paired", "--seeds", "2"], ["gradual", "--repeats", "1"]],
    ids=lambda each: each[0],
)
def test_a_benchmark_of_its_own_kind_runs(options, tmp_path):
    name, *options = options
    command = [
        sys.executable,
        PROJECT / f"benchmarks/{name}.py",
        "--small",
        *options,
        "--json",
        tmp_path / "found.json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    if name == "gpu":
        assert len(found["hours"]) == 8 and all(row["hours"] > 0 for row in found["hours"])
        assert {row["model"] for row in found["rows"]} == {"bilstm", "bert-base-uncased"}
    elif name == "gradual":
        assert [row["side"] for row in found] == ["plain training", "PINS", "PINS-CE", "GMP"]
    else:
        assert len(found) == 3 and all(row["low"] <= row["difference"] <= row["high"] for row in found)


def test_the_page_of_results_has_every_side_and_its_ratio(tmp_path):
    spec = importlib.util.spec_from_file_location("all", PROJECT / "benchmarks/all.py")
    everything = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(everything)
    rows = [
        {"benchmark": "masks", "case": "one", "side": "pielab", "seconds": [1.0, 2.0, 4.0], "peak_mb": 10},
        {"benchmark": "masks", "case": "one", "side": "numpy", "seconds": [3.0, 8.0, 8.0], "peak_mb": 20.4},
        {"benchmark": "masks", "case": "two", "side": "pielab", "seconds": [1.0], "peak_mb": 10},
        {"benchmark": "masks", "case": "two", "side": "less", "seconds": [3.0], "peak_mb": 20, "compared": False},
    ]
    found = {
        "machine": "m",
        "python": "3",
        "versions": {"torch": "2"},
        "date": "d",
        "repeats": 3,
        "minutes": {"masks": 1.0},
    }
    page = everything.page(found | {"rows": {"masks": rows}})
    assert "| one | pielab | 2 (1 to 4) | 1 | 10 |" in page
    assert "|  | numpy | 8 (3 to 8) | **3** (2 to 4) | 20 |" in page
    assert "|  | less | 3 (3 to 3) | does less | 20 |" in page
    others = [row | {"benchmark": "others"} for row in rows[:2]]
    everything.figure({"masks": rows, "others": others}, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5_000
