"""`pielab compare`: two files of answers in, one page of what changed out; or of two studies side by side."""

import argparse
import json
from pathlib import Path
from typing import Any

from pielab.arguments import parser_for
from pielab.errors import PielabError
from pielab.store import files, paths

EXAMPLES = """examples:
  pielab compare --before bert.jsonl --after bert-int8.jsonl
  pielab compare --before a.csv --after b.csv --id uid --label gold --group dialect --csv changed.csv
  pielab compare --before seed*.json.gz --after pruned/seed*.json.gz --id uid --out pruned.html
  pielab compare --before tags.csv --after tags-int8.csv --separator ";"
  pielab compare --before bert.conll --after bert-int8.conll
  pielab compare --before reader.json --after reader-int8.json --references dev-v2.0.json
  pielab compare --before run*.txt --after pruned/run*.txt --references testset_w_refs.csv
  pielab compare results/demo results/mine --csv both.csv

A file has a row for each text: its id, the model's answer or logits, and perhaps its label, text and group. Answers
and labels may be several to a text: lists in JSON and Parquet, or strings with a --separator. Of tagged words they are
lists of tags, or the last two columns of a .conll file, in which gold tags stand before the model's. With several
files a side, the first before is compared with the first after, and so on, and what runs of the same model differ
stands beside it.

Answers to questions are JSON of strings by id, as SQuAD's script reads them, or a file of rows with --task spans.
Generated texts are text files with one a line, JSON lines with a list of outputs for each run, or a file of rows with
--task generation. Which are right is told by --references, or a column of lists of them.
"""
COLUMNS = {
    "id": "ids, which pair the answers (default: id, uid, pairID, guid, example_id, doc_id, example, index or idx)",
    "answer": "answers (default: prediction, pred, predicted, answer or output)",
    "logits": "lists of logits (default: logits, or a column logit_<class> for each class)",
    "label": "right answers (default: label, gold, gold_label, true or target, if there is one)",
    "text": "texts to show (default: text, sentence, question, or premise and hypothesis, if there are any)",
    "group": "groups of texts to compare, such as a dialect",
}


def main(arguments: list[str], program: str = "pielab compare") -> int:
    """Write the page, and print what was found; the exit status.

    Raises PielabError, and writes nothing, if what was given cannot be compared.
    """
    parser = _parser(program)
    given = parser.parse_args(arguments)
    files_given = bool(given.before and given.after)
    if files_given == (len(given.studies) == 2) or bool(given.before) != bool(given.after):
        parser.error("give --before and --after with the files of each model, or the folders of two studies")
    _check_outputs(given)
    return _compare_files(given) if files_given else _compare_studies(given)


def _parser(program: str) -> argparse.ArgumentParser:
    about = "Compare the answers of two models to the same texts, from files of any framework; or two studies."
    parser = parser_for(program, about, EXAMPLES)
    kinds = "CSV, TSV, Parquet, JSON, JSON lines or .conll, perhaps gzipped; one run each"
    sides: dict[str, Any] = {"nargs": "+", "type": Path, "metavar": "FILE"}
    parser.add_argument("studies", nargs="*", metavar="STUDY", help="the folders of two studies, instead of files")
    parser.add_argument("--before", **sides, help=f"answers before: {kinds}")
    parser.add_argument("--after", **sides, help="answers after")
    for option, what in COLUMNS.items():
        parser.add_argument(f"--{option}", metavar="COLUMN", help=f"the column of {what}")
    parser.add_argument(
        "--separator",
        metavar="TEXT",
        help="what separates several labels of a text, such as ';', unless they are lists",
    )
    parser.add_argument(
        "--task",
        choices=["spans", "generation"],
        help="what answers are that are texts, if the files do not tell it: to questions, or generated",
    )
    parser.add_argument(
        "--references",
        type=Path,
        metavar="FILE",
        help="right answers, or texts that people wrote: SQuAD's JSON, a table, or a text file with one a line",
    )
    parser.add_argument("--common", action="store_true", help="leave out texts that not every file has")
    about = "the page (default: %(default)s)"
    parser.add_argument("--out", type=Path, default=Path("comparison.html"), metavar="FILE", help=about)
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="also write a row for each text, or quantity of a study"
    )
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON, and nothing else")
    return parser


def _compare_files(given: argparse.Namespace) -> int:
    from pielab.data import paired_answers

    columns = {option: getattr(given, option) for option in COLUMNS}
    answers = paired_answers.read(
        given.before, given.after, columns, given.common, given.separator, given.task, given.references
    )

    from pielab.analysis import file_comparison
    from pielab.report import comparison_page, render
    from pielab.report.comparison_sentences import sentences

    comparison = file_comparison.compare(answers)
    page = comparison_page.page(comparison)
    if given.csv:
        with files.atomic_file(given.csv) as partial:
            comparison.by_text.to_csv(partial, index=False)
    render.write(given.out, page)
    if given.json:
        print(json.dumps(comparison.numbers, indent=1))
        return 0
    print(*sentences(comparison), sep="\n")
    if given.csv:
        print(f"a row for each text: {given.csv}")
    print(f"page: {given.out}")
    return 0


def _compare_studies(given: argparse.Namespace) -> int:
    first, second = map(_study_folder, given.studies)
    if first.resolve() == second.resolve():
        raise PielabError(
            "study-given-twice",
            f"{given.studies[0]} and {given.studies[1]} are the same study",
            "give two, because a study beside itself has nothing to compare",
        )

    from pielab.analysis import study_comparison
    from pielab.report import render, study_comparison_page

    comparison = study_comparison.of_studies(first, second, tuple(given.studies))
    page = study_comparison_page.page(comparison)
    if given.csv:
        with files.atomic_file(given.csv) as partial:
            comparison.table.to_csv(partial, index=False)
    render.write(given.out, page)
    if given.json:
        print(comparison.table.to_json(orient="records", indent=1))
        return 0
    print(study_comparison.format_table(comparison.table, comparison.names).to_string(index=False))
    print(study_comparison.NOTE)
    print(*study_comparison_page.sentences(comparison), sep="\n")
    if given.csv:
        print(f"a row for each quantity: {given.csv}")
    print(f"page: {given.out}")
    return 0


def _study_folder(name: str) -> Path:
    folder = paths.find(name)
    if not folder or not folder.is_dir():
        raise PielabError("no-such-study", f"there is no folder {name}", "give that of a study, such as results/demo")
    return folder


def _check_outputs(given: argparse.Namespace) -> None:
    """Raises PielabError if a file to write is one to read, or no file of this command."""
    inputs = {path.resolve() for path in (*(given.before or []), *(given.after or []))}
    outputs = [path for path in (given.out, given.csv) if path]
    for path in outputs:
        paths.require_folder(path.parent)
        is_own = _is_own_table if path is given.csv else _is_own_page
        if path.resolve() in inputs or path.is_dir() or (path.exists() and not is_own(path)):
            raise PielabError(
                "not-overwritten",
                f"{path} is there and is no earlier output of this command",
                "delete it, or give another name with --out or --csv",
            )
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise PielabError("outputs-in-one-file", f"--out and --csv are both {given.out}", "give each a file of its own")


def _is_own_page(path: Path) -> bool:
    with path.open("rb") as file:
        return b'<meta name="generator" content="pielab compare">' in file.read(1000)


def _is_own_table(path: Path) -> bool:
    with path.open("rb") as file:
        names = file.readline().strip().split(b",")
    return (names[0] == b"id" and b"changed" in names) or b"first_estimate" in names
