"""One page of what changed between two models whose answers are in files, readable without server or network."""

import base64
import html
import io
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pielab.analysis import file_entities, file_texts
from pielab.analysis.file_comparison import ENDS, SIDES, Comparison
from pielab.analysis.paired_change import SPLIT
from pielab.data.text_groups import NONE
from pielab.progress import counted
from pielab.report import comparison_figure, marked, render
from pielab.report.comparison_sentences import counted_texts, interval, is_generated, right_named, sentences

MOST_ROWS = 1000
TEXT_LIMIT = 500
MOST_LABELS = 50
ANOTHER = {f"another_{side}": f"another run {side}" for side in SIDES}


def page(comparison: Comparison) -> str:
    """The HTML of the page; everything from the files is escaped."""
    answers = comparison.answers
    changed = comparison.by_text[comparison.by_text["changed"] > 0]
    found = sentences(comparison)
    return render.render(
        "comparison.html",
        title="What changed?",
        answer=found[0],
        more=found[1:],
        figures=[(title, image(figure)) for title, figure in _figures(comparison)],
        tables={title: (note, plain(table)) for title, note, table in _tables(comparison)},
        files=_files(comparison),
        is_paired=answers.is_paired,
        columns=answers.before_files[0].columns,
        left_out=answers.left_out,
        has_logits=answers.before_logits is not None,
        changed=len(changed),
        shown=min(len(changed), MOST_ROWS),
        explore=_explore(_most_changed(changed)) if len(changed) else "",
        sentences=_marked(comparison, _most_changed(changed)),
        texts=answers.written,
        has_votes=len(answers.before) > 1 or len(answers.after) > 1,
    )


def _figures(comparison: Comparison) -> Iterator[tuple[str, Figure]]:
    changes = comparison.changes
    yield "How many answers changed", comparison_figure.changed(changes)
    if SPLIT[0] in set(changes["quantity"]) and changes["estimate"].iloc[0]:
        yield "What the changed answers became", comparison_figure.split(changes)
    if comparison.matrix is not None:
        yield "Texts by their answer before and after", comparison_figure.matrix(comparison.matrix)
    if comparison.labels is not None and comparison.changes["estimate"].iloc[0]:
        title = "Texts that lost or gained a label" if comparison.levels is None else "Entities lost and gained"
        yield title, comparison_figure.labels(comparison.labels, title.lower())


def image(figure: Figure) -> str:
    """A figure as the base64 of its SVG, for an img element."""
    # As an image of its own, in which no script of a class's name could run.
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg", bbox_inches="tight")
    return base64.b64encode(drawn.getvalue()).decode()


def _tables(comparison: Comparison) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Title, note and table, numbers as they are read."""
    runs = [len(getattr(comparison.answers, side)) for side in SIDES]
    of_what = (
        "exact 95 % intervals, for texts to come (of KL: Student's t)"
        if runs == [1, 1]
        else "95 % intervals, of other runs at these texts, from three runs on (four for pairs of runs and for PIEs)"
    )
    changes = comparison.changes
    table = pd.DataFrame({"": changes["quantity"], "after against before": _with_ends(changes)})
    for name, title in ANOTHER.items():
        if changes[name].notna().any():
            table[title] = _with_ends(changes, [name, f"{name}_low", f"{name}_high"])
    yield "What changed", f"In percent of the texts, KL in nats. In brackets: {of_what}.", table
    if comparison.accuracy is not None:
        title = right_named(comparison)
        table = _accuracy(comparison.accuracy, comparison.calibration, title)
        yield title.capitalize(), _accuracy_note(comparison, runs), table
    if comparison.unlike is not None:
        yield _unlike(comparison.unlike)
    if comparison.levels is not None:
        yield from _entity_tables(comparison)
    elif comparison.labels is not None:
        table = _gained_and_lost(comparison.labels)
        note = "On how many texts, a mean over runs, a label was given before and after, and gained and lost; "
        note += f'"{NONE}" is no label at all.'
        if len(table) > MOST_LABELS:
            note += f" {_most(table)}"
        yield "Labels gained and lost", note, table.head(MOST_LABELS)
    if comparison.models is not None:
        models = comparison.models
        table = pd.DataFrame({"": models["quantity"], "at these texts": _with_ends(models)})
        table["texts to come"] = _with_ends(models, ["estimate", "low_to_come", "high_to_come"])
        table["exact p"] = models["p"].map(_p)
        note = (
            "In points. moved: net disagreement, beyond what runs of one side differ among themselves; 0 only if no "
            "text's probabilities of answers changed. spread: half of how much more the runs after differ among "
            "themselves. Intervals from four runs a side, tests by exchange from six."
        )
        if is_generated(comparison):
            note += " How far two texts differ is one minus their similarity."
        yield "Did the model move, beyond another run?", note, table
    if comparison.groups is not None:
        groups = comparison.groups
        table = pd.DataFrame({"group": groups["group"], "texts": groups["texts"], "": groups["quantity"]})
        table["points"] = _with_ends(groups)
        table["more than in the other texts"] = groups["difference"].map(_number)
        table["p, two-sided"] = groups["p"].map(_p)
        table["p, corrected"] = groups["p_corrected"].map(_p)
        note = (
            "Percent of the group's texts, and points of accuracy. p is that of the difference from all other texts, "
            "for texts to come; corrected for the groups (Holm). Groups of fewer than 20 texts are not tested."
        )
        yield "Who pays: by group", note, table


def _gained_and_lost(labels: pd.DataFrame, name: str = "label") -> pd.DataFrame:
    """Labels, or types of entities, with the numbers of texts, or entities, as they are read."""
    numbers = labels[["before", "after", "gained", "lost"]].map(counted_texts)
    return numbers.assign(**{name: labels["label"]})[[name, *numbers]]


def _most(table: pd.DataFrame) -> str:
    return f"The {MOST_LABELS} of {len(table):,} that changed most; --json prints all."


def _entity_tables(comparison: Comparison) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """The tables of tagged words, as of `_tables`."""
    levels, f1 = comparison.levels, comparison.entity_f1
    assert levels is not None and comparison.labels is not None
    table = pd.DataFrame({"": levels["quantity"], "after against before": _with_ends(levels)})
    for name, title in ANOTHER.items():
        if levels[name].notna().any():
            table[title] = levels[name].map(_number)
    note = "In percent: words with another tag; and 100 less F1 of two runs' entities. Words of a sentence change "
    note += "together, so that one run a side gives no interval."
    yield "Words and entities", note, table
    if f1 is not None:
        cells = dict(zip(f1["quantity"], _with_ends(f1), strict=True))
        note = "F1 over all entities in percent, and its difference in points; intervals from three runs on."
        yield "Entity F1", note, pd.DataFrame([{"": "entity F1"} | cells])
    types = _gained_and_lost(comparison.labels, "type")
    note = (
        "How many entities, a mean over runs, were said before and after, and gained and lost. One with another first "
    )
    note += "or last word, or type, is another entity, so that a moved end is one lost and one gained."
    if len(types) > MOST_LABELS:
        note += f" {_most(types)}"
    yield "Entities gained and lost, by type", note, types.head(MOST_LABELS)


def _unlike(unlike: pd.DataFrame) -> tuple[str, str, pd.DataFrame]:
    """How far answers that are texts are apart, as of `_tables`."""
    table = pd.DataFrame({"": unlike["quantity"], "after against before": _with_ends(unlike)})
    for name, title in ANOTHER.items():
        if unlike[name].notna().any():
            table[title] = unlike[name].map(_number)
    note = "A mean over texts, in percent. In brackets: 95 % intervals of other runs, from three on."
    return "How far the answers are apart", note, table


def _accuracy(accuracy: pd.DataFrame, calibration: pd.DataFrame | None, title: str) -> pd.DataFrame:
    """A row for each measure: accuracy, by its title, and those of calibration if they are known."""
    rows = [{"": title} | dict(zip(accuracy["quantity"], _with_ends(accuracy), strict=True))]
    for measure, part in () if calibration is None else calibration.groupby("measure", sort=False):
        cells = _with_ends(part, digits=4)
        rows.append({"": measure} | dict(zip(part["quantity"], cells, strict=True)))
    if accuracy["p"].notna().any():
        rows[0]["McNemar's exact p"] = _p(accuracy["p"].iloc[-1])
    return pd.DataFrame(rows)


def _accuracy_note(comparison: Comparison, runs: list[int]) -> str:
    title, texts = right_named(comparison), comparison.answers.written
    note = f"{title.capitalize()} in percent of the texts, and its difference in points."
    if texts is not None and texts.threshold is not None:
        note += (
            f" A text is right if its nearness to people's texts is {texts.threshold:.4f} at least, the median before."
        )
    if comparison.labels is not None:
        what = "set of labels" if comparison.levels is None else "sentence's set of entities"
        note += f" A {what} is right as a whole (subset accuracy)."
    if comparison.calibration is not None:
        note += (
            " The Brier score is the sum over classes (0 to 2), the expected calibration error is that of the largest "
            "probability in 15 bins (0 to 1); both are lower if better."
        )
    if comparison.calibration is not None and runs == [1, 1]:
        note += (
            " Intervals of the Brier score are Student's t over texts. The calibration error of one run has none: in "
            "few texts it is too large even if all probabilities are right, and resampled texts make it larger still."
        )
    return note


def _with_ends(table: pd.DataFrame, names: list[str] = ENDS, digits: int = 2) -> list[str]:
    places = [4 if quantity == "KL" else digits for quantity in table["quantity"]]
    rows = zip(table[names].itertuples(index=False), places, strict=True)
    return [_number(value, digits) + interval(low, high, digits) for (value, low, high), digits in rows]


def _number(value: float, digits: int = 2) -> str:
    return "" if pd.isna(value) else f"{value:z.{digits}f}"


def _p(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.2g}" if value >= 0.001 else "< 0.001"


def plain(table: pd.DataFrame, classes: str = "") -> str:
    """The HTML of a table, in which all cells are escaped; classes: of the style sheet."""
    with pd.option_context("display.max_colwidth", None):
        return table.to_html(index=False, border=0, na_rep="", classes=classes)


def _files(comparison: Comparison) -> list[list[dict[str, str]]]:
    """A row for each run: the file before, and the file after."""
    sides = comparison.answers.before_files, comparison.answers.after_files
    described = [
        [
            {
                "name": str(file.path),
                "short": file.path.name,
                "texts": counted(len(file.ids), "text"),
                "read": ", ".join(f"{option[2:]}: {column}" for option, column in file.columns.items()),
                "digest": file.digest,
            }
            for file in side
        ]
        for side in sides
    ]
    rows = max(map(len, described))
    return [[side[row] if row < len(side) else {} for side in described] for row in range(rows)]


def _most_changed(changed: pd.DataFrame) -> pd.DataFrame:
    names = ("distance",) if "distance" in changed else ("majority_changed", "changed", "confidence")
    keys = [name for name in names if name in changed]
    return changed.sort_values(keys, ascending=False, kind="stable").head(MOST_ROWS)


def _explore(rows: pd.DataFrame) -> str:
    named = [name for name in ("id", "text", "label", "group") if name in rows]
    table = rows[named].copy()
    for side in SIDES:
        runs = [name for name in rows if name == side or name.startswith(f"{side}_")]
        table[side] = [_votes(answers) for answers in rows[runs].itertuples(index=False)]
    if not {"before", "after"} <= set(rows):
        table["% of pairs changed"] = (100 * rows["changed"]).round().astype(int)
    if "majority_changed" in rows:
        table["majority changed"] = np.where(rows["majority_changed"], "yes", "no")
    for name in ("distance", "confidence"):
        if name in rows:
            table[name] = rows[name].round(2)
    return sortable(table, ["label", "group", *SIDES, "majority changed"])


def _marked(comparison: Comparison, rows: pd.DataFrame) -> list[str]:
    """The changed sentences with the entities of label and both sides marked, each as HTML; none without words.
    Of answers that are texts, those of both sides with the words that differ marked."""
    if comparison.answers.written is not None:
        return _beside(file_texts.shown(comparison.answers.written), rows)
    sentences, sets = comparison.answers.sentences, comparison.entities
    if sentences is None or sentences.words is None or sets is None:
        return []
    voted = {name: file_entities.voted(side) for name, side in zip((*SIDES, "label"), sets, strict=False)}
    shown = []
    for place, id in rows["id"].items():
        words = sentences.words[place]
        lines = {name: marked.sentence(words, voted[name][place]) for name in ("label", *SIDES) if name in voted}
        paragraphs = [marked.paragraph(f"<b>{name}</b>: {line}") for name, line in lines.items()]
        shown.append(f"<p><b>{html.escape(id)}</b></p>{''.join(paragraphs)}")
    return shown


def _beside(sides: Sequence[np.ndarray], rows: pd.DataFrame) -> list[str]:
    shown = []
    for place, row in rows.iterrows():
        lines = {name: html.escape(row[name]) for name in ("text", "label") if name in row}
        lines |= dict(zip(SIDES, marked.differing(*(side[place] for side in sides)), strict=True))
        paragraphs = [marked.paragraph(f"<b>{name}</b>: {line}") for name, line in lines.items()]
        shown.append(f"<p><b>{html.escape(row['id'])}</b></p>{''.join(paragraphs)}")
    return shown


def sortable(table: pd.DataFrame, choose: Sequence[str]) -> str:
    """The HTML of a table to sort and search, where itables is installed; all cells are escaped.

    choose: the columns whose values can be chosen from a list, unless they have more than 50.
    """
    try:
        from pielab.report import data_table
    except ImportError:  # itables comes with the extra "study"
        return plain(table)
    words = table.select_dtypes(exclude="number")
    table = table.assign(**words.apply(lambda column: data_table.one_line(column, TEXT_LIMIT)))
    chosen = [name for name in choose if name in table and table[name].nunique() <= 50]
    return data_table.scripts() + data_table.as_html(table, left=list(words), choose=chosen)


def _votes(answers: tuple[str, ...]) -> str:
    """The answer of one run, or how many runs give each, the most frequent first: "3 neutral, 1 entailment"."""
    if len(answers) == 1:
        return answers[0]
    return ", ".join(f"{number} {answer}" for answer, number in Counter(answers).most_common())
