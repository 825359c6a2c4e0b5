"""`pielab restore`: the seeds of an archive back into the results folder, where the notebooks read them."""

from pathlib import Path

from pielab.arguments import parser_for
from pielab.config import study as studies
from pielab.errors import PielabError
from pielab.progress import counted
from pielab.store import archive, paths

EXAMPLES = """for example:
  pielab restore docs/grid
  pielab study grid

Notebooks 03 to 07 then find what they found before, but for what needs probabilities (KL, calibration), and 01_train
and 02_prune find every seed trained. A seed that is there already is left as it is if it gives the same answers.
"""


def main(arguments: list[str], program: str = "pielab restore") -> int:
    """Check all files of the archive, write the seeds that the study lacks, and print how many."""
    parser = parser_for(program, "Write the seeds of an archive into the folder of their study.", EXAMPLES)
    parser.add_argument("archive", metavar="ARCHIVE", help="the folder that pielab archive wrote, such as docs/grid")
    parser.add_argument("--results", default="results", help="the folder of the studies (results)")
    given = parser.parse_args(arguments)
    folder = paths.find(given.archive) or Path(given.archive)
    text = archive.read_study(folder)
    study = studies.read(studies.read_file(paths.study_file(folder)))
    target = paths.study(given.results, study.report["study"])
    seeds = sorted(folder.glob("*/*.parquet"))
    if not seeds:
        raise PielabError("archive-without-seeds", f"{folder} has no seeds", "give a folder that pielab archive wrote")
    if strange := sorted({path.parent.name for path in seeds}.difference(study.dense)):
        raise PielabError(
            "archive-of-other-pairs",
            f"{folder} has seeds of {', '.join(strange)}, and its study.yaml is of {', '.join(study.dense)}",
            "take away what belongs to another archive, or bring back the study.yaml of this one",
        )
    for path in seeds:
        archive.restore(path, target, write=False)
    written = sum(archive.restore(path, target) for path in seeds)
    if not paths.study_file(target).exists():
        archive.write_study(target, text)
    files = counted(len(seeds), "seed")
    print(f"{target}: {files} of {counted(len(study.dense), 'pair')}, {counted(written, 'folder')} written")
    return 0
