"""The first figures and tables of a study that is still running, for its front page."""

import contextlib
import time
from pathlib import Path

from pielab.analysis import change, results, tables
from pielab.errors import PielabError
from pielab.report import page
from pielab.store import files

# Drawing takes seconds, and after each of many short jobs it would take longer than the jobs.
SECONDS_BETWEEN = 60


def draw(study_folder: Path) -> bool:
    """Draw PIEs beside their null, and what changes in the same model, of the configurations that are done so far.

    At most once a minute, and not while another job does it; gives whether it did. At the end 06_report draws all.
    """
    drawn = study_folder / "report" / "figures" / "pie_shares.png"
    if drawn.exists() and time.time() - drawn.stat().st_mtime < SECONDS_BETWEEN:
        return False
    with contextlib.suppress(PielabError):  # another job does it
        held = files.lock(study_folder / "report" / ".drawing", f"the report of {study_folder}")
        try:
            _draw(study_folder)
        finally:
            if held:
                held.release()
        return True
    return False


def _draw(study_folder: Path) -> None:
    found, report = results.read(study_folder), study_folder / "report"
    changes = change.of_study(found)
    page.draw(found, "change", changes)
    results.save(change.format_table(changes), report, "change_by_configuration")
    page.draw(found, "pie_shares")
    results.save(tables.pie_shares(results.configurations(found)), report, "pie_shares")
