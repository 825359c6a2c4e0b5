"""User errors, and transient failures that a retry may cure: a full disk, too little memory; each as one sentence."""

import contextlib
import difflib
import importlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

# The packages that only training needs, of the extra `train`, and those of metrics; `study` has all others.
TRAIN = {"torch", "transformers"}
GENERATION = {"sacrebleu"}


class PielabError(ValueError):
    """A user's mistake, in one sentence: what is wrong with what was given, and the cure.

    id: names the message in docs/messages.md, such as "no-such-file".
    problem: what was given, and what is wrong with it. cure: what is accepted, or what to do. No full stop ends either.

    A notebook shows that sentence alone, because a traceback through helpers tells the user nothing.
    """

    def __init__(self, id: str, problem: str, cure: str):
        super().__init__(id, problem, cure)  # all three, so that it survives pickling in a worker process
        self.id, self.problem, self.cure = id, problem, cure

    def __str__(self) -> str:
        return f"{self.problem}: {self.cure}."

    def within(self, where: str) -> "PielabError":
        """The same error, with the place of the mistake in front of the problem."""
        return type(self)(self.id, f"{where}: {self.problem}", self.cure)

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class SeveralErrors(PielabError):
    """Several mistakes at once, one line each; id, problem and cure are those of the first."""

    def __init__(self, *errors: PielabError):
        super().__init__(errors[0].id, errors[0].problem, errors[0].cure)
        self.args = self.errors = errors

    def __str__(self) -> str:
        return "\n".join(map(str, self.errors))

    def within(self, where: str) -> "SeveralErrors":
        return SeveralErrors(*(error.within(where) for error in self.errors))


class TransientError(PielabError):
    """A failure that a retry may cure: a full disk, too little memory, no network."""


# The former name, in scripts and in logs of studies.
PassingFault = TransientError


def near_miss(word: str, known: Iterable[str]) -> str:
    """The beginning of a cure, "did you mean IMP-FT? ", if a known name is close to the word but for case; else ""."""
    names = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), names, n=1)
    return f"did you mean {names[near[0]]}? " if near else ""


@contextlib.contextmanager
def missing_package() -> Iterator[None]:
    """Turns an import inside that fails for want of a package into a PielabError that names the extra which has it."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in {"", "pielab"}:
            raise
        extra = "train" if package in TRAIN else "generation" if package in GENERATION else "study"
        raise PielabError(
            "package-missing",
            f"{package} is not installed, and this needs it",
            f"pip install 'pielab[{extra}]'; in a clone, make",
        ) from None


def require(packages: Iterable[str]) -> None:
    """Raises PielabError if a package is not installed."""
    with missing_package():
        for package in packages:
            importlib.import_module(package)


def first_line(error: BaseException) -> str:
    """The first line of an exception's message without a final full stop, or its class if it has none."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".:") if lines else type(error).__name__


def warn(line: str) -> None:
    """Show one line on stderr, and so in a notebook: something is suspicious but may be meant."""
    print(f"warning: {line}", file=sys.stderr)


_FULL = ("No space left on device", "Disk quota exceeded", "database or disk is full")
_GPU_MEMORY = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
_MEMORY = ("can't allocate memory", "not enough memory", "Cannot allocate memory")


def transient_error(kind: str, text: str, folder: Path | str) -> TransientError | None:
    """The transient failure behind an exception of class `kind` and message `text`, or None for any other exception.

    folder: where the results are, for the message about a full disk.
    """
    again = "and give the same command again; what is finished is kept"
    if any(part in text for part in _FULL):
        return TransientError(
            "disk-full",
            f"the disk of {folder} is full",
            f"free some space there, or set another results folder, {again}",
        )
    if kind in {"OutOfMemoryError", "AcceleratorError", "RuntimeError"} and any(part in text for part in _GPU_MEMORY):
        return TransientError(
            "out-of-gpu-memory",
            "out of GPU memory",
            f"lower workers, which changes no result, or else batch_size or max_tokens, {again}",
        )
    if kind in {"MemoryError", "ArrowMemoryError"} or any(part in text for part in _MEMORY):
        return TransientError(
            "out-of-memory", "out of memory", f"raise memory_gb in the params file, or lower workers, {again}"
        )
    if kind == "DeadKernelError":
        return TransientError(
            "kernel-killed",
            "its kernel was killed, by somebody or for want of memory",
            f"raise memory_gb in the params file if it was memory, {again}",
        )
    return None


@contextlib.contextmanager
def as_transient(folder: Path | str) -> Iterator[None]:
    """Turns an exception inside into its `transient_error`; any other exception passes unchanged."""
    try:
        yield
    except Exception as error:
        transient = transient_error(type(error).__name__, str(error), folder)
        if isinstance(error, PielabError) or transient is None:
            raise
        raise transient from None
