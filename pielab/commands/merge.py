"""All studies of a results folder in one tidy table."""

from pathlib import Path

from pielab.arguments import parser_for
from pielab.errors import PielabError
from pielab.store import files, paths


def main(arguments: list[str], program: str = "pielab merge") -> int:
    """Write the table, and print how much is in it."""
    parser = parser_for(
        program,
        "Write one CSV of all studies in a folder: a row for each study, configuration and quantity, with "
        "its 95 % interval.",
        "for example: pielab merge results --csv all.csv",
    )
    parser.add_argument("folder", nargs="?", default="results", help="the folder of the studies (results)")
    parser.add_argument("--csv", metavar="FILE", default="studies.csv", help="the table to write (studies.csv)")
    given = parser.parse_args(arguments)
    folder = paths.find(given.folder)
    if folder is None or not folder.is_dir():
        raise PielabError("no-results-folder", f"there is no folder {given.folder}", "give one that has studies in it")

    from pielab.analysis import study_comparison

    table = study_comparison.of_folder(folder)
    with files.atomic_file(Path(given.csv)) as partial:
        table.to_csv(partial, index=False)
    configurations = table.groupby(["study", "dataset", "model", "pruner", "threshold"]).ngroups
    print(f"{table['study'].nunique()} studies, {configurations} configurations: {given.csv}")
    return 0
