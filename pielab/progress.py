"""The progress bar of a run, and numbers in words."""

import html
import time

from tqdm import tqdm


class Progress:
    """Counts steps: `with Progress("training", total=20) as progress: progress.step("seed 0, loss 0.7")`.

    In a notebook one output is updated in place, because a printed line for each step would fill the stored notebook,
    and a bar on stderr would be stored at every tick.
    """

    def __init__(self, title: str, total: int):
        self.title, self.total, self.done, self.note = title, total, 0, ""
        self.start = time.perf_counter()

    def __enter__(self) -> "Progress":
        self.handle = self.bar = None
        if not self.total:
            return self
        if _in_notebook():
            from IPython.display import display

            self.handle = display(self, display_id=True)
        else:
            self.bar = tqdm(total=self.total, desc=self.title, disable=None)
        return self

    def step(self, note: str, steps: int = 1) -> None:
        self.done, self.note = self.done + steps, note
        if self.handle:
            self.handle.update(self)
        elif self.bar is not None:
            self.bar.set_postfix_str(note, refresh=False)
            self.bar.update(steps)

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def __repr__(self) -> str:
        seconds = time.perf_counter() - self.start
        return f"{self.title}: {self.done} of {self.total} steps, {seconds:.0f} s; {self.note}"

    def _repr_html_(self) -> str:
        text = html.escape(repr(self))
        return f'<progress value="{self.done}" max="{self.total}" style="width: 12em"></progress> {text}'


def counted(number: int | float, noun: str) -> str:
    """A number with its noun: "1 model", "1,200 models"."""
    return f"{number:,.10g} {noun}{'' if number == 1 else 's'}"


def _in_notebook() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return hasattr(get_ipython(), "kernel")
