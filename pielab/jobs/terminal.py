"""A notebook's progress in the terminal: papermill's bar of its cells, beside it what a cell displays of its own."""

import sys
import time
from typing import Any

from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines

ENGINE = "pielab-terminal"
BAR = "{desc} |{bar:20}| cell {n_fmt} of {total_fmt}, {elapsed} {postfix}"
# A log file takes a line a minute.
SECONDS_BETWEEN_LINES = 60


class Client(PapermillNotebookClient):
    """Papermill's client, which also shows the progress that a cell displays, as pielab.progress.Progress does."""

    printed = time.monotonic()

    def process_message(self, message: dict[str, Any], *where: Any) -> Any:
        content = message["content"]
        if message["msg_type"] == "execute_input":
            self.nb_man.pbar.set_postfix_str("", refresh=False)
        # Progress is the display that is updated in place, so it has an id.
        if content.get("transient", {}).get("display_id"):
            self.show(content["data"].get("text/plain", ""))
        return super().process_message(message, *where)

    def show(self, text: str) -> None:
        if not self.nb_man.pbar.disable:
            self.nb_man.pbar.set_postfix_str(text)
        elif time.monotonic() - self.printed > SECONDS_BETWEEN_LINES:
            self.printed = time.monotonic()
            print(text, file=sys.stderr, flush=True)


class Engine(NBClientEngine):
    """Papermill's engine with `Client`."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> Any:
        """The notebook that papermill's manager holds, executed."""
        kept = {name: options[name] for name in ("kernel_manager_class", "store_widget_state") if name in options}
        return Client(nb_man, kernel_name=kernel_name, startup_timeout=60, timeout=None, **kept).execute()


def options(title: str) -> dict[str, Any]:
    """The arguments of papermill.execute_notebook that show a notebook's progress on stderr."""
    papermill_engines.register(ENGINE, Engine)
    bar = {"desc": title, "bar_format": BAR, "disable": not sys.stderr.isatty(), "leave": False}
    return {"engine_name": ENGINE, "progress_bar": bar}
