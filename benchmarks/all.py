"""Run the benchmarks that need no GPU, and write benchmarks/RESULTS.md with a figure of their ratios.

    .venv/bin/python benchmarks/all.py [--repeats 3] [--only recipe|masks|analysis|readability|medoids | --again]

--only measures one part again; --again measures none and writes the page from the stored rows. The page also shows the
results of benchmarks/paired.py, tagged.py and gpu.py, from paired.json, tagged.json and gpu.json.
"""

import argparse
import datetime
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import common
import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

HERE = Path(__file__).parent
NAMES = ("recipe", "masks", "analysis", "readability", "medoids")
COLUMNS = ["case", "side", "seconds, median (least to most)", "times pielab's", "peak MB", "accuracy or macro-F1"]


def run(repeats: int, parts: Sequence[str], path: Path) -> None:
    """Measure parts and write each one's rows to a file as soon as it ends, so that a failure loses no other part."""
    found = json.loads(path.read_text()) if len(parts) < len(NAMES) and path.exists() else {"rows": {}, "minutes": {}}
    found |= {
        "machine": common.machine(),
        "versions": {name: version(name) for name in ("torch", "transformers", "accelerate", "numpy", "textstat")},
        "python": platform.python_version(),
        "date": f"{datetime.datetime.now():%Y-%m-%d}",
        "repeats": repeats,
    }
    for name in parts:
        rows, start = HERE / f".{name}.json", time.perf_counter()
        command = [sys.executable, HERE / f"{name}.py", "--repeats", str(repeats), "--json", rows]
        subprocess.run(command, check=True)
        found["rows"][name] = json.loads(rows.read_text())
        found["minutes"][name] = (time.perf_counter() - start) / 60
        rows.unlink()
        path.write_text(json.dumps(found, indent=1))


def ratios(rows: list[dict]) -> pd.DataFrame:
    """Time of each side of each case as a multiple of pielab's, per repeat: median, least and most."""
    found = []
    for row in rows:
        own = next(each for each in rows if each["case"] == row["case"] and each["side"] == "pielab")
        each = [other / ours for other, ours in zip(row["seconds"], own["seconds"], strict=True)]
        spread = {"ratio": statistics.median(each), "least": min(each), "most": max(each)}
        found.append({"compared": True} | row | spread)
    return pd.DataFrame(found)


def table(rows: list[dict]) -> str:
    frame = ratios(rows)
    lines = [
        [
            row.case,
            row.side,
            seconds_text(row.seconds),
            ratio_text(row),
            f"{row.peak_mb:.0f}",
            f"{statistics.mean(row.judged):.2f}" if isinstance(getattr(row, "judged", None), list) else "",
        ]
        for row in frame.itertuples()
    ]
    shown = pd.DataFrame(lines, columns=COLUMNS)
    shown["case"] = shown["case"].where(shown["case"] != shown["case"].shift(), "")
    return markdown(shown if shown[COLUMNS[-1]].any() else shown.drop(columns=COLUMNS[-1]))


def seconds_text(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.3g} ({min(seconds):.3g} to {max(seconds):.3g})"


def ratio_text(row) -> str:
    if row.side == "pielab":
        return "1"
    if not row.compared:
        return "does less"
    return f"**{row.ratio:.2g}** ({row.least:.2g} to {row.most:.2g})"


def markdown(frame: pd.DataFrame) -> str:
    lines = [list(frame.columns), ["---"] * len(frame.columns), *frame.astype(str).to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def figure(rows: dict[str, list[dict]], path: Path) -> None:
    """Plot the other sides' time as a multiple of pielab's, on a logarithmic axis."""
    frame = pd.concat([ratios(each) for each in rows.values()])
    frame = frame[(frame["side"] != "pielab") & frame["compared"]]
    sides = list(dict.fromkeys(frame["side"]))
    colours = dict(zip(sides, sns.color_palette("colorblind", len(sides)), strict=True))
    with sns.axes_style("whitegrid"):
        shares = [frame.loc[frame["benchmark"] == name, "case"].nunique() + 1 for name in rows]
        picture, panels = plt.subplots(
            len(rows),
            figsize=(9, 0.42 * sum(shares) + 1.5),
            height_ratios=shares,
            layout="constrained",
            sharex=True,
            squeeze=False,
        )
        panels = panels[:, 0]
    for axes, name in zip(panels, rows, strict=True):
        part = frame[frame["benchmark"] == name]
        cases = list(dict.fromkeys(part["case"]))
        for row in part.itertuples():
            bars = [[row.ratio - row.least], [row.most - row.ratio]]
            place = cases.index(row.case) + (sides.index(row.side) % 3 - 1) * 0.2
            axes.errorbar(row.ratio, place, xerr=bars, color=colours[row.side], marker="o", capsize=2, linestyle="")
        axes.set(title=name, xscale="log", yticks=range(len(cases)), yticklabels=cases, ylim=(len(cases) - 0.5, -0.5))
        axes.axvline(1, color="0.25", linestyle="--")
        axes.grid(axis="y", visible=False)
    panels[-1].set_xlabel("times the seconds that pielab takes (dashed: as long)")
    handles = [plt.Line2D([], [], color=colours[side], marker="o", linestyle="", label=side) for side in sides]
    picture.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    picture.savefig(path, dpi=120)
    plt.close(picture)


def paired() -> str:
    path = HERE / "paired.json"
    if not path.exists():
        return "Not run: `.venv/bin/python benchmarks/paired.py --json benchmarks/paired.json`."
    frame = pd.DataFrame(json.loads(path.read_text()))
    frame["95 % interval"] = [f"{row.low:+.4f} to {row.high:+.4f}" for row in frame.itertuples()]
    for side in ("plain", "quick"):
        values = zip(frame[side], frame[f"{side}_deviation"], strict=True)
        frame[side] = [f"{mean:.4f} ({deviation:.4f})" for mean, deviation in values]
    frame["seeds"] = frame["seeds"].astype(int)
    frame["difference"] = frame["difference"].map("{:+.4f}".format)
    return markdown(frame[["case", "seeds", "plain", "quick", "difference", "95 % interval"]])


def tagged() -> str:
    path = HERE / "tagged.json"
    if not path.exists():
        return "Not run: `.venv/bin/python benchmarks/tagged.py --json benchmarks/tagged.json`."
    rows = json.loads(path.read_text())
    frame = pd.DataFrame(rows).assign(median=[statistics.median(row["seconds"]) for row in rows])
    share = frame["median"] / frame.groupby("case")["median"].transform("sum")
    shown = {
        "case": frame["case"].where(frame["case"] != frame["case"].shift(), ""),
        "part": frame["side"],
        "CPU seconds, median (least to most)": [seconds_text(row["seconds"]) for row in rows],
        "share of the case": (100 * share).map("{:.2g} %".format),
        "peak MB": frame["peak_mb"].map("{:.0f}".format),
    }
    about = f"{rows[0]['machine']}, at a load of {rows[0]['load']:.0f}; {len(rows[0]['seconds'])} repeats."
    return f"{about}\n\n{markdown(pd.DataFrame(shown))}"


def gpu() -> str:
    path = HERE / "gpu.json"
    if not path.exists():
        empty = pd.DataFrame(
            columns=["case", "tokens or texts a second", "share of the bfloat16 peak", "hours of the grid"]
        )
        return f"Nobody has run `benchmarks/gpu.py` on a GPU yet, so this table is empty.\n\n{markdown(empty)}"
    found = json.loads(path.read_text())
    rates = pd.DataFrame(found["rows"])
    rates["a second"] = rates["tokens_per_second"].fillna(rates["texts_per_second"]).map("{:,.0f}".format)
    rates["of"] = rates["tokens_per_second"].notna().map({True: "tokens", False: "texts"})
    rates["share of the bfloat16 peak"] = rates["share_of_peak"].map("{:.0%}".format, na_action="ignore").fillna("")
    hours = pd.DataFrame(found["hours"])
    rates["seconds a unit"] = rates["seconds_a_unit"].map("{:,.0f}".format, na_action="ignore").fillna("")
    return (
        f"{found['device']}, torch {found['torch']}\n\n"
        f"{markdown(rates[['case', 'a second', 'of', 'share of the bfloat16 peak', 'seconds a unit']])}\n\n"
        f"The paper's grid at these rates: **{hours['hours'].sum():,.0f} hours**.\n\n{markdown(hours.round(2))}"
    )


def page(found: dict) -> str:
    versions = ", ".join(f"{name} {each}" for name, each in found["versions"].items())
    parts = [
        "# What is quick, and by how much",
        "Written by `make bench`; [docs/speed.md](../docs/speed.md) says what it means.",
        f"{found['machine']}; Python {found['python']}, {versions}; {found['date']}. {found['repeats']} repeats, the "
        f"sides of a case in turn, {sum(found['minutes'].values()):.0f} minutes in all. A ratio is of one repeat; "
        "above 1 it says how many times pielab's seconds the other side takes. **All ratios are of this processor**; "
        "another one had others, most of all for the BiLSTM ([docs/speed.md](../docs/speed.md#training)).",
        "![ratios](results.png)",
        *(f"## {name}\n\n{docstring(name)}\n\n{table(rows)}" for name, rows in found["rows"].items()),
        "## Equal results, seed by seed\n\nTest accuracy, with the deviation between seeds: batches of chance texts in "
        "float32 (plain) against batches of texts of like length in bfloat16 (quick).\n\n" + paired(),
        f"## Tagged words\n\n{docstring('tagged')}\n\n{tagged()}",
        "## GPU\n\n" + gpu(),
    ]
    return "\n\n".join(parts) + "\n"


def docstring(name: str) -> str:
    text = (HERE / f"{name}.py").read_text().split('"""')[1]
    return "\n\n".join(part for part in text.strip().split("\n\n") if not part.startswith("    "))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=NAMES, help="measure this part alone")
    parser.add_argument("--again", action="store_true", help="write the page from the rows of the last run")
    given = parser.parse_args()
    rows = HERE / "results.json"
    if not given.again:
        run(given.repeats, [given.only] if given.only else NAMES, rows)
    found = json.loads(rows.read_text())
    figure(found["rows"], HERE / "results.png")
    (HERE / "RESULTS.md").write_text(page(found))
    print(HERE / "RESULTS.md")


if __name__ == "__main__":
    main()
