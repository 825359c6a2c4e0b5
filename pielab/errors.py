"""User errors, and transient failures that a retry may cure: a full disk, too little memory; each as one sentence."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


class PielabError(ValueError):
    """A user's mistake in one sentence: what was given, and the cure.

    id: names the message in docs/messages.md, such as "no-such-file". problem: what was given. cure: what is accepted,
        or what to do.

    In a notebook it is shown as that sentence alone, because a traceback through helpers tells the user nothing.
    """

    def __init__(self, id: str, problem: str = "", cure: str = ""):
        super().__init__(id, problem, cure)  # all three, so that it comes whole out of a worker process
        self.id, self.problem, self.cure = id, problem, cure

    def __str__(self) -> str:
        return f"{self.problem}: {self.cure}." if self.problem else self.id

    def within(self, where: str) -> "PielabError":
        """The same mistake, with where it was made in front of it."""
        return type(self)(self.id, f"{where}: {self.problem}", self.cure)

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class SeveralErrors(PielabError):
    """Several mistakes at once, a line each; its id is that of the first."""

    def __init__(self, *errors: PielabError):
        super().__init__(errors[0].id, errors[0].problem, errors[0].cure)
        self.args = self.errors = errors

    def __str__(self) -> str:
        return "\n".join(map(str, self.errors))


class TransientError(PielabError):
    """A fault that may be over when the same is tried again: a full disk, too little memory, no network."""


# Its name in scripts, and in the logs of studies, from before.
PassingFault = TransientError

_FULL = ("No space left on device", "Disk quota exceeded")
_GPU_MEMORY = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
_MEMORY = ("can't allocate memory", "not enough memory", "Cannot allocate memory")


def transient_sentence(kind: str, text: str, folder: Path | str) -> str | None:
    """What an exception of class `kind` and message `text` means to somebody whose results are in `folder`.

    None for any other exception.
    """
    again = "and give the same command again; what is finished is kept"
    if any(each in text for each in _FULL):
        return f"the disk of {folder} is full: free some space there, or set another results folder, {again}."
    if kind in {"OutOfMemoryError", "AcceleratorError", "RuntimeError"} and any(each in text for each in _GPU_MEMORY):
        return f"out of GPU memory: lower workers, which changes no result, or else batch_size or max_tokens, {again}."
    if kind in {"MemoryError", "ArrowMemoryError"} or any(each in text for each in _MEMORY):
        return f"out of memory: raise memory_gb in the params file, or lower workers, {again}."
    if kind == "BrokenProcessPool":
        return (
            "a worker process was killed, as systems do when memory runs out: raise memory_gb in the params file, or "
            f"lower workers, {again}."
        )
    if kind == "DeadKernelError":
        return (
            "its kernel was killed, by somebody or for want of memory: raise memory_gb in the params file if it was "
            f"memory, {again}."
        )
    return None


@contextlib.contextmanager
def as_transient(folder: Path) -> Iterator[None]:
    """Raises TransientError with the `transient_sentence` of what breaks inside; anything else passes as it is."""
    try:
        yield
    except PielabError:
        raise
    except Exception as error:
        found = transient_sentence(type(error).__name__, str(error), folder)
        if found is None:
            raise
        raise TransientError(found) from None
