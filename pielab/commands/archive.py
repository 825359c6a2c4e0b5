"""`pielab archive`: a study's answers and records as small files, one for each seed, to be kept in a repository."""

from pathlib import Path

from pielab.arguments import parser_for
from pielab.config import study as studies
from pielab.config.types import format_seeds
from pielab.errors import PielabError
from pielab.progress import counted
from pielab.store import archive, paths

EXAMPLES = """for example:
  pielab archive results/grid docs/grid
  pielab restore docs/grid

A seed is archived when all configurations that the study asks of it are there; later calls add the seeds that are whole
by then. Answers, records and error norms are kept, logits and weights are not: about 20 kB for a seed of 50
configurations of 2,000 texts.
"""


def main(arguments: list[str], program: str = "pielab archive") -> int:
    """Write the seeds that are whole and not archived yet, and print them and those that are not whole."""
    parser = parser_for(program, "Write the answers and the records of a study as small files.", EXAMPLES)
    parser.add_argument("study", metavar="STUDY", help="its folder, such as results/grid")
    parser.add_argument("archive", metavar="ARCHIVE", type=Path, help="the folder to write, such as docs/grid")
    given = parser.parse_args(arguments)
    folder = paths.find(given.study) or Path(given.study)
    text = archive.read_study(folder)
    study = studies.read(studies.read_file(paths.study_file(folder)))
    _check(study.report["study"], given.archive)

    from pielab.analysis import archive as packing  # here, because it takes a second

    archive.write_study(given.archive, text)
    for pair in study.dense:
        lacking = packing.lacking(study, folder, pair)
        states: dict[str, list[int]] = {"written": [], "written again": [], "unchanged": []}
        for seed, rows in packing.rows(study, folder, pair, [seed for seed in lacking if not lacking[seed]]):
            path, table = archive.file(given.archive, pair, seed), archive.table(rows, pair, seed)
            if archive.is_written(path, table):
                states["unchanged"].append(seed)
            else:
                states["written again" if path.exists() else "written"].append(seed)
                archive.write(path, table)
        _report(given.archive / pair, states, lacking)
    return 0


def _check(name: str, folder: Path) -> None:
    """Raises PielabError if a folder is the archive of another study, or no folder to write into."""
    paths.require_folder(folder)
    if paths.study_file(folder).exists():
        of = studies.read(studies.read_file(paths.study_file(folder))).report["study"]
        if of != name:
            raise PielabError(
                "archive-of-another-study", f"{folder} is the archive of {of}, and not of {name}", "give another folder"
            )


def _report(folder: Path, states: dict[str, list[int]], lacking: dict[int, list[str]]) -> None:
    parts = [f"{state} {format_seeds(seeds)}" for state, seeds in states.items() if seeds]
    sizes = [path.stat().st_size for path in folder.glob("*.parquet")]
    size = f" ({counted(len(sizes), 'seed')}, {sum(sizes) / max(1, len(sizes)):,.0f} bytes each)"
    print(f"{folder}: seeds {'; '.join(parts) or 'none'}{size}")
    for seed, names in lacking.items():
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            print(f"  seed {seed} is not whole: it lacks {', '.join(names[:3])}{more}")
