"""The benchmarks run; what they measure is theirs."""

import importlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    """Imports a benchmark by its name; what it sets for its processes is put back."""
    monkeypatch.syspath_prepend(str(FOLDER))
    threads = torch.get_num_threads()
    with patch.dict(os.environ):
        yield importlib.import_module
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", ["analysis", "masks", "medoids", "readability", "recipe"])
def test_a_benchmark_compares_both_sides(name, benchmark):
    rows = benchmark(name).run(small=True, repeats=1)
    cases = {row["case"] for row in rows}
    assert all(row["benchmark"] == name and len(row["seconds"]) == 1 and row["peak_mb"] > 0 for row in rows)
    assert all({row["side"] for row in rows if row["case"] == case} > {"pielab"} for case in cases)


def test_the_benchmark_of_tagged_words_is_on_its_page(benchmark, monkeypatch, tmp_path):
    rows = benchmark("tagged").run(small=True, repeats=1)
    assert all(len(row["seconds"]) == 1 and row["machine"] for row in rows)
    everything = benchmark("all")
    monkeypatch.setattr(everything, "HERE", tmp_path)
    assert everything.tagged().startswith("Not run")
    (tmp_path / "tagged.json").write_text(json.dumps(rows))
    page = everything.tagged()
    assert len(page.split("\n| ")) == 3 + len(rows) and rows[0]["machine"] in page
    assert "|  | numbering and null | " in page


def test_the_benchmark_of_gradual_pruning_has_every_pruner(benchmark):
    rows = benchmark("gradual").run(small=True, repeats=1)
    assert [row["side"] for row in rows] == ["plain training", "PINS", "PINS-CE", "GMP"]


def test_the_benchmark_of_compression_has_every_method_in_new_processes(benchmark):
    compression = benchmark("compression")
    rows = compression.run(small=True, repeats=2)
    cases = [row["case"] for row in rows]
    assert [row["side"] for row in rows if row["case"] == "compressing"] == list(compression.METHODS)
    assert all(len(row["seconds"]) == 2 and row["peak_mb"] > 0 for row in rows)
    assert sum(case.startswith("predicting") for case in cases) == len(compression.METHODS) + 1
    assert sum(case.startswith("calibration") for case in cases) == 4


@pytest.mark.filterwarnings("ignore:Precision loss")
def test_the_paired_benchmark_has_an_interval_for_each_case(benchmark, monkeypatch, tmp_path):
    paired = benchmark("paired")
    monkeypatch.setattr(paired, "ProcessPoolExecutor", lambda *args, **options: ThreadPoolExecutor(1))
    paired.main(["--small", "--seeds", "2", "--json", str(tmp_path / "rows.json")])
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert len(rows) == 3 and all(row["low"] <= row["difference"] <= row["high"] for row in rows)


def test_the_benchmark_of_a_gpu_runs_by_its_command_and_in_its_processes(tmp_path):
    command = [sys.executable, FOLDER / "gpu.py", "--small", "--repeats", "1", "--json", tmp_path / "found.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert len(found["hours"]) == 8 and all(row["hours"] > 0 for row in found["hours"])
    assert {row["model"] for row in found["rows"]} == {"bilstm", "bert-base-uncased", "gpt2"}
    assert {row.get("workers") for row in found["rows"]} == {None, 1, 2}
    (tagger,) = [row for row in found["rows"] if row["like"] == "conll2003"]
    (generator,) = [row for row in found["rows"] if row["model"] == "gpt2"]
    assert len(generator["seconds"]) == 1 and 0 < generator["written_tokens"] <= 8 * 64
    assert tagger["seconds_a_unit"] > 20 * 14_041 * 3 / tagger["tokens_per_second"]


def test_each_side_has_a_process_and_sides_that_disagree_stop(benchmark):
    common = benchmark("common")
    measure = partial(common.measure, "name", "case", {"pielab": abs, "other": float}, prepare=int, repeats=1)
    rows = measure()
    assert [row["side"] for row in rows] == ["pielab", "other"] and all(row["before_mb"] > 0 for row in rows)
    with pytest.raises(SystemExit, match="name, case: the sides disagree"):
        measure(summary=str)


def test_the_command_of_a_benchmark_writes_its_rows(benchmark, monkeypatch, tmp_path):
    common = benchmark("common")
    monkeypatch.setattr(sys, "argv", ["name.py", "--small", "--repeats", "3", "--json", str(tmp_path / "rows.json")])
    common.main(lambda small, repeats: [{"small": small, "repeats": repeats}], "")
    assert json.loads((tmp_path / "rows.json").read_text()) == [{"small": True, "repeats": 3}]


def test_the_page_of_results_has_every_side_and_its_ratio(benchmark, tmp_path):
    everything = benchmark("all")
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
