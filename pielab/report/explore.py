"""Tools to browse the PIEs of a study: a table to sort and search in any page, and widgets in a running notebook."""

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import itables
import numpy as np
import pandas as pd
from IPython.display import HTML, display
from scipy import stats

from pielab.analysis import results, tables
from pielab.analysis.examples import el2n, readability
from pielab.analysis.null import estimate
from pielab.data import datasets
from pielab.errors import PielabError
from pielab.progress import Progress, counted
from pielab.report import data_table, figures, marked
from pielab.store import predictions, settings
from pielab.store.paths import DENSE, Configuration

if TYPE_CHECKING:
    from datasets import Dataset

# EL2N is an early training error, so for test examples the same norm of the final predictions stands in.
PERCENTILE = {"test": "error-norm percentile", "train": "EL2N percentile"}
TEXT_LIMIT = 500
FEW_VALUES = [*results.CONFIGURATION, "label"]
# Of generated texts, as `tables.texts` names them.
TEXTS = ("unpruned text", "pruned text")


@dataclass(frozen=True)
class Split:
    """One split of the data of a pair, which its configurations share.

    source: identifies the data it was read from. class_names: in the order of class ids. texts: one per example.
    percentile: (examples,), how hard an example is for the unpruned models, 100 for the hardest; None without logits.
    """

    name: str
    source: tuple
    examples: "Dataset"
    class_names: list[str]
    texts: list[str]
    percentile: np.ndarray | None


def read_split(
    folder: Path, name: str = "test", known: Split | None = None, study: Path | results.Results | None = None
) -> Split:
    """The split "test" or "train" of the data of a configuration; `known` is returned if it is that split already.

    study: its results, if they have been read already. Raises PielabError if predictions of the split are missing, or
        the texts have changed.
    """
    record = results.read(study or folder.parents[1]).pies_record(folder)
    source = (folder.parent, name, record["digest"], tuple(record["seeds"]))
    if known and known.source == source:
        return known
    data = results.load_data(record, folder / "pies.parquet")
    dense, of_file = folder.parent / DENSE, "early" if name == "train" else name
    runs = predictions.read_seeds(dense, record["seeds"], of_file)
    results.check_same_data(data, runs, runs, split=name)
    try:
        norms = el2n.error_norms_of(dense, runs, of_file, datasets.targets(data[name]))
        percentile = 100 * stats.rankdata(norms) / len(norms)
    except PielabError as error:
        if error.id != "logits-not-kept":
            raise
        percentile = None
    texts = datasets.joined_texts(data[name])
    return Split(name, source, data[name], datasets.class_names(data), texts, percentile)


def pies(folder: Path, split: Split, study: Path | results.Results | None = None) -> pd.DataFrame:
    """The PIEs of a configuration, those with the largest P(PIE) - P(null) first.

    Columns: dataset, model, pruner, threshold; example (its index in the split), text, label, unpruned votes, pruned
    votes (in words), P(PIE), P(null); a percentile, see PERCENTILE, unless models have answers alone; the scores of
    readability; and votes, the rows of the table that figures.votes takes. For the training set, P(PIE) and P(null) are
    computed here.
    """
    frame, record = results.read(study or folder.parents[1]).pies(folder)
    if split.name == "train":
        sides = (folder.parent / DENSE, folder)
        unpruned, pruned = (predictions.read_seeds(side, record["seeds"], "train") for side in sides)
        null = estimate(unpruned.classes, pruned.classes)
        frame = results.examples(split.examples, unpruned, pruned, null)
    pie_rows = frame.assign(surprise=frame["p_pie"] - frame["p_null"])[frame["pie"]]
    pie_rows = pie_rows.sort_values("surprise", ascending=False, kind="stable")
    places = pie_rows["example"].to_numpy()
    if split.name == "test":  # 05 has cached scores of the whole test set; a training set can be fifty times as large
        scores = readability.scores(split.texts).iloc[places]
    else:
        scores = readability.scores([split.texts[place] for place in places])
    rows = pie_rows.to_dict("records")
    names = [results.answer_names(row, split.examples, split.class_names) for row in rows]
    table = pd.DataFrame(
        {
            **results.configuration_of(record["summary"]),
            "example": places,
            "text": [split.texts[place] for place in places],
            "label": [tables.label(row, split.examples, of) for row, of in zip(rows, names, strict=True)],
            **{name: [tables.texts(row)[name] for row in rows] for name in (tables.texts(rows[0]) if rows else ())},
            **{
                f"{side} votes": [
                    results.describe_votes(*each) for each in zip(pie_rows[f"{side}_votes"], names, strict=True)
                ]
                for side in ("unpruned", "pruned")
            },
            "P(PIE)": pie_rows["p_pie"].to_numpy(),
            "P(null)": pie_rows["p_null"].to_numpy(),
            **({} if split.percentile is None else {PERCENTILE[split.name]: split.percentile[places]}),
        }
    )
    return pd.concat([table, scores.reset_index(drop=True)], axis=1).assign(
        votes=[_votes(row, of_row) for row, of_row in zip(rows, names, strict=True)],
        marked=[_marked(row, split.examples) for row in rows],
    )


def configurations(study: Path | results.Results) -> pd.DataFrame:
    """One row per configuration whose PIEs are known: dataset, model, pruner, threshold, and its folder."""
    study = results.read(study)
    frame = results.configurations(study)[results.CONFIGURATION]
    return frame.assign(folder=[Configuration.of(row).folder(study.folder) for row in frame.to_dict("records")])


def study_pies(study: Path | results.Results, split: str = "test") -> pd.DataFrame:
    """The PIEs of all configurations of a study, as `pies` gives them, one configuration after the other.

    Raises PielabError if the study has no PIEs yet.
    """
    study, parts, known = results.read(study), [], None
    frame = configurations(study)
    with Progress("PIEs", len(frame)) as progress:
        for row in frame.itertuples():
            known = read_split(row.folder, split, known, study)
            parts.append(pies(row.folder, known, study))
            progress.step(f"{row.dataset}, {row.model}, {Configuration.of(row._asdict()).title}")
    frame = pd.concat(parts, ignore_index=True)
    return frame.fillna(dict.fromkeys(set(TEXTS) & set(frame), ""))


def top_rows(frame: pd.DataFrame, rows: int) -> pd.DataFrame:
    """At most `rows` rows of `study_pies`, by turns from every configuration, sorted by P(PIE) - P(null)."""
    turn = frame.groupby(results.CONFIGURATION).cumcount()
    chosen = frame.loc[turn.sort_values(kind="stable").index[:rows]]
    surprise = chosen["P(PIE)"] - chosen["P(null)"]
    return chosen.loc[surprise.sort_values(ascending=False, kind="stable").index]


def show(frame: pd.DataFrame, rows: int = 1000, without: Sequence[str] = ()) -> None:
    """Display PIEs as a table to sort and search, without kernel or network, with a note on what is left out.

    It loads itables' JavaScript, which an Explorer on the same page uses as well.
    """
    shown = top_rows(frame, rows)
    sets = frame.groupby(results.CONFIGURATION).ngroups
    pies_of_study = counted(len(frame), "PIE")
    count = f"All {pies_of_study}" if len(shown) == len(frame) else f"{len(shown):,} of {pies_of_study}"
    note = f"{count} of {counted(sets, 'configuration')}."
    if len(shown) < len(frame):
        note += " Those are left out that differ least from retraining noise; the others stand by turns."
    if any(len(text) > TEXT_LIMIT for text in shown["text"]):
        note += f" Texts are cut after {TEXT_LIMIT} characters."
    itables.init_notebook_mode(all_interactive=False, connected=False)
    display(HTML(f"<p>{note}</p>"), HTML(as_html(shown, without, text_limit=TEXT_LIMIT)))


def as_html(frame: pd.DataFrame, without: Sequence[str] = (), text_limit: int | None = None) -> str:
    """PIEs as the HTML of an interactive table, in which texts are escaped."""
    percentile = [name for name in PERCENTILE.values() if name in frame]
    digits = {"P(PIE)": 2, "P(null)": 2, **dict.fromkeys(readability.SCORES, 1)}
    whole = dict.fromkeys([*percentile, "difficult words", readability.LENGTH], 0)
    texts = {name: data_table.one_line(frame[name], text_limit) for name in ("text", *TEXTS) if name in frame}
    table = frame.assign(**texts, threshold=settings.joined(list(tables.setting_texts(frame)))).round(digits | whole)
    table = table.astype(dict.fromkeys(whole, int)).drop(columns=["votes", "marked", *without])
    if set(TEXTS) & set(frame):  # the label is a text too, another one for each example
        table = table.rename(columns={"label": "label text"})
    named = [*results.CONFIGURATION, "text", "label", "label text", *TEXTS, "unpruned votes", "pruned votes"]
    return data_table.as_html(table, left=named, choose=FEW_VALUES)


def example(frame: pd.DataFrame, place: int = 0) -> HTML:
    """One PIE, by its position in `frame`: its full text, its label, and the votes as a small plot."""
    if frame.empty:
        return HTML("There is no PIE.")
    row, picture = frame.iloc[place], io.BytesIO()
    counts = pd.DataFrame(row["votes"], columns=["class", "unpruned", "pruned", "label"])
    figures.votes(counts, row["pruner"]).savefig(picture, format="png", dpi=110)
    plot = base64.b64encode(picture.getvalue()).decode()
    votes = f"unpruned: {row['unpruned votes']}; {Configuration.of(row).title}: {row['pruned votes']}"
    return HTML(
        f'<div style="display: flex; gap: 2em; flex-wrap: wrap; line-height: 1.5">'
        f'<img alt="{html.escape(votes)}" src="data:image/png;base64,{plot}" style="align-self: flex-start">'
        f'<div style="flex: 1; min-width: 24em; max-width: 60em"><p><b>Example {row["example"]}</b>, '
        f"label <b>{html.escape(row['label'])}</b>; {html.escape(votes)}</p>"
        f"{row['marked'] or marked.paragraph(html.escape(row['text']))}</div></div>"
    )


class Explorer(widgets.VBox):
    """Widgets to choose a configuration and see its PIEs, and each of them in full. Needs a running kernel.

    choices: a dropdown for each of dataset, model, pruner, threshold and split. pies: the PIEs, as `pies` gives them.
    table, chosen, whole: the table of PIEs, a dropdown of their examples, and the chosen example in full.
    """

    def __init__(self, study: Path | results.Results, split: str = "test"):
        self.study = results.read(study)
        self.configurations = configurations(self.study)
        self.pies, self.choosing = pd.DataFrame(), False
        self.known: Split | None = None
        self.choices = {name: widgets.Dropdown(description=name) for name in results.CONFIGURATION}
        self.choices["split"] = widgets.Dropdown(description="split", options=list(PERCENTILE), value=split)
        self.note, self.table, self.whole = widgets.HTML(), widgets.Output(), widgets.HTML()
        self.chosen = widgets.Dropdown(description="example", layout=widgets.Layout(width="50em", max_width="100%"))
        for dropdown in self.choices.values():
            dropdown.layout.width = "17em"
            dropdown.observe(self._choose, names="value")
        self.chosen.observe(self._show_example, names="value")
        choices = widgets.HBox(list(self.choices.values()), layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__([choices, self.note, self.table, self.chosen, self.whole])
        self._choose()

    def __repr__(self) -> str:
        # Shown instead of the widgets on a page without a kernel.
        return "These choices need a running notebook: open it in JupyterLab and run all its cells."

    def _choose(self, change: Any = None) -> None:
        """Update each dropdown's options to fit the choices before it, keep valid choices, and show the PIEs."""
        if self.choosing:
            return
        self.choosing, rows = True, self.configurations
        for name in results.CONFIGURATION:
            dropdown, previous = self.choices[name], self.choices[name].value
            values = list(dict.fromkeys(rows[name]))
            is_setting, pruner = name == "threshold", self.choices["pruner"].value
            dropdown.options = [(settings.text(pruner, value) if is_setting else value, value) for value in values]
            dropdown.value = previous if previous in values else values[0]
            rows = rows[rows[name] == dropdown.value]
        self.choosing = False
        self._show_table(rows["folder"].iloc[0])

    def _show_table(self, folder: Path) -> None:
        try:
            self.note.value = "reading the predictions …"
            self.known = read_split(folder, self.choices["split"].value, self.known, self.study)
            self.pies = pies(folder, self.known, self.study)
            self.note.value = f"{counted(len(self.pies), 'PIE')} of {counted(len(self.known.texts), 'example')}"
        except PielabError as error:
            self.pies, self.note.value = pd.DataFrame(), html.escape(str(error))
        shown = as_html(self.pies, without=results.CONFIGURATION) if len(self.pies) else ""
        self.table.outputs = ({"output_type": "display_data", "data": {"text/html": shown}, "metadata": {}},)
        rows = enumerate(self.pies.itertuples())
        self.chosen.options = [(f"{row.example}: {' '.join(row.text.split())[:80]}", place) for place, row in rows]
        self.chosen.value = 0 if len(self.pies) else None
        self._show_example()

    def _show_example(self, change: Any = None) -> None:
        place = self.chosen.value
        self.whole.value = "" if place is None else example(self.pies, place).data


def _marked(row: dict[str, Any], split: "Dataset") -> str:
    """A tagged sentence three times, with the entities of the label and of both votes marked, or a context with the
    answers, or a source with what people and both sides wrote; else nothing."""
    parts = []
    if texts := tables.texts(row):
        source = split[int(row["example"])]
        return marked.texts(source["text"], source["targets"], *texts.values())
    if "answers" in row:
        asked = split[int(row["example"])]
        text, parts = asked["text_pair"], [marked.paragraph(f"<b>question</b>: {html.escape(asked['text'])}")]
        mark, named = partial(marked.context, text), row["answers"]
    elif "entities" in row:
        mark, named = partial(marked.sentence, split["words"][row["example"]]), row["entities"]
    else:
        return ""
    for side in ("gold", "unpruned", "pruned"):
        shown = mark([named[index] for index in np.atleast_1d(row[side])])
        parts.append(marked.paragraph(f"<b>{'label' if side == 'gold' else side}</b>: {shown}"))
    return "".join(parts)


def _votes(row: dict[str, Any], names: Sequence[str]) -> list[tuple[str, int, int, bool]]:
    """Rows of class name, unpruned votes, pruned votes and whether it is a label, for classes with votes and labels."""
    own = set(tables.right_votes(row))
    counts = enumerate(zip(row["unpruned_votes"], row["pruned_votes"], strict=True))
    return [(names[index], *pair, index in own) for index, pair in counts if any(pair) or index in own]
