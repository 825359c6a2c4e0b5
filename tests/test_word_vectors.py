"""Word vectors from text files, and what is kept of them in the cache."""

import errno
import os
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st

from pielab.models import word_vectors

LINES = [f"word{number} {number / 7:.6g} {-number / 3:.5g} {number}e-3" for number in range(60)]


@pytest.fixture
def file(tmp_path):
    """60 words, three of which hold spaces, 3 wide."""
    path = tmp_path / "made.txt"
    lines = [*LINES[:20], ". . . 1 2 3", "at name@domain.com 0.5 0.25 -1", *LINES[20:], ". 4 5 6"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own, for files of any size, which are parsed in blocks of some lines."""
    monkeypatch.setenv("PIELAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(word_vectors, "CACHE_FROM_BYTES", 0)
    monkeypatch.setattr(word_vectors, "BLOCK", 200)
    monkeypatch.setattr(word_vectors, "ROWS", 7)
    return tmp_path / "cache" / "word-vectors"


def by_hand(path):
    rows = [line.rsplit(" ", 3) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row[0] for row in rows], np.array([[float(each) for each in row[1:]] for row in rows]).astype(np.float32)


def test_a_small_file_is_read_as_it_is_and_not_kept(file, tmp_path, monkeypatch):
    monkeypatch.setenv("PIELAB_CACHE", str(tmp_path / "cache"))
    found = word_vectors.read(str(file))
    words, matrix = by_hand(file)
    assert found.words.to_pylist() == words and words[20:22] == [". . .", "at name@domain.com"]
    assert np.array_equal(found.matrix, matrix) and not (tmp_path / "cache").exists()


def test_a_large_file_is_parsed_once_and_then_mapped(file, cache, monkeypatch):
    first = word_vectors.read(str(file))
    monkeypatch.setattr(word_vectors, "_blocks", lambda file: pytest.fail("parsed again"))
    for found in (first, word_vectors.read(str(file))):
        words, matrix = by_hand(file)
        assert found.words.to_pylist() == words
        assert isinstance(found.matrix, np.memmap) and np.array_equal(found.matrix, matrix)
        # Not only nearly: a study must not change with the way its vectors were read.
        assert np.array_equal(found.mean, matrix.mean(axis=0, dtype=np.float64))
        assert np.array_equal(found.std, matrix.std(axis=0, dtype=np.float64))
    assert [path.name.startswith("made-") for path in cache.glob("*.npy")] == [True]


@given(st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=5), st.sampled_from(["{!r}", "{:.5g}", "{:.9f}"]))
def test_numbers_are_those_of_the_text_to_the_bit(values, form):
    texts = [form.format(value) for value in values]
    with tempfile.NamedTemporaryFile("w") as file:
        print("word", *texts, file=file, flush=True)
        found = word_vectors.read(file.name).matrix
    assert found.tobytes() == np.array([float(text) for text in texts]).astype(np.float32).tobytes()


def test_a_file_that_has_changed_is_read_anew(file, cache):
    before = word_vectors.read(str(file)).matrix[0, 0]
    text = file.read_text().replace("word0 0 ", "word0 1 ")
    file.write_text(text)
    os.utime(file, ns=(1, 1))
    assert before == 0 and word_vectors.read(str(file)).matrix[0, 0] == 1


def test_two_that_read_at_once_do_not_disturb_each_other(file, cache, monkeypatch):
    """Both parse the file, for neither finds it kept; one of them is quicker."""
    parse, both, found = word_vectors._blocks, threading.Barrier(2), []

    def together(path):
        both.wait(timeout=30)
        yield from parse(path)
        both.wait(timeout=30)

    monkeypatch.setattr(word_vectors, "_blocks", together)
    threads = [threading.Thread(target=lambda: found.append(word_vectors.read(str(file)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2 and all(np.array_equal(each.matrix, by_hand(file)[1]) for each in found)
    assert len(list(cache.glob("*.npy"))) == 1


def test_a_damaged_cache_is_made_again(file, cache):
    word_vectors.read(str(file))
    (path,) = cache.glob("*.npy")
    whole = path.read_bytes()
    matrix = len(by_hand(file)[0]) * 3 * 4
    for size in (0, 1, 127, 128, 128 + matrix - 12, 128 + matrix, 128 + matrix + 200, len(whole) - 12, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert np.array_equal(word_vectors.read(str(file)).matrix, by_hand(file)[1]) and path.read_bytes() == whole


@pytest.mark.parametrize(
    ("content", "id", "problem", "cure"),
    [
        ("a 1 2\nb 1\n", "no-word-and-numbers", "v.txt, line 2 is not a word and 2 numbers", "in UTF-8"),
        ("a 1 2\nb 1 x\n", "no-word-and-numbers", "line 2 is not a word and 2 numbers", "in UTF-8"),
        ("a 1 2\nb 1 nan\n", "no-word-and-numbers", "line 2 is not a word and 2 numbers", "the numbers finite"),
        ("a 1 2\nb 1 1e39\n", "no-word-and-numbers", "line 2 is not a word and 2 numbers", "the numbers finite"),
        ("a 1 2\nb 1  2\n", "no-word-and-numbers", "line 2 is not a word and 2 numbers", "split by single spaces"),
        ("a 1 2\n\n", "no-word-and-numbers", "line 2 is not a word and 2 numbers", "in UTF-8"),
        (b"a 1 2\n\xff 1 2\n", "no-word-and-numbers", "line 2 is not a word and 2 numbers", "in UTF-8"),
        ("", "empty-word-vectors", "v.txt is empty", "a word and its numbers are expected on each line"),
        ("2 3\n", "empty-word-vectors", "v.txt is empty", "a word and its numbers are expected on each line"),
        ("a\n", "no-word-and-numbers", "line 1 is not a word and 1 numbers", "in UTF-8"),
        ("\n", "no-word-and-numbers", "line 1 is not a word and 1 numbers", "in UTF-8"),
        ("2 3\na 1 2\n", "no-word-and-numbers", "line 2 is not a word and 3 numbers", "in UTF-8"),
        ("a 1 2\nb 1 2.7", "unfinished-last-line", "v.txt, line 2 does not end", "end it with a newline"),
        ("a 1 2\nb 1", "unfinished-last-line", "line 2 does not end, so the file may be cut short", "get it again"),
        ("3 2\na 1 2\nb 1 2\n", "number-of-words-differs", "2 words and not the 3 of its first line", "get it again"),
    ],
)
def test_a_broken_or_cut_file_is_one_sentence_and_nothing_of_it_is_kept(tmp_path, cache, content, id, problem, cure):
    path = tmp_path / "v.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with refused(id, cure, problem):
        word_vectors.read(str(path))
    assert list(cache.iterdir()) == []


def test_the_line_is_counted_through_all_blocks(file, cache):
    file.write_text(file.read_text() + "broken 1 2\n")
    with refused("no-word-and-numbers", "in UTF-8", "made.txt, line 64 is not a word and 3 numbers"):
        word_vectors.read(str(file))


def test_no_file_is_one_sentence(tmp_path):
    for path in (tmp_path, tmp_path / "missing.txt"):
        with refused("no-word-vectors-file", "give glove-6b-50d or the path", f"{str(path)!r} is no file"):
            word_vectors.read(str(path))


def test_a_cache_without_room_says_what_to_do(file, cache, monkeypatch):
    cache.parent.write_text("a file where the folder should be")
    with refused("cache-not-writable", "set PIELAB_CACHE", f"into the cache folder {cache.parent}"):
        word_vectors.read(str(file))
    cache.parent.unlink()

    def full(*arrays, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(word_vectors.npy, "write_array", full)
    with refused("word-vectors-not-cached", "make room", f"kept in {cache} (No space left on device)"):
        word_vectors.read(str(file))
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("text", ["2 3\na 1 2 3\nb 4 5 6\n", "2 3\na 1 2 3 \nb 4 5 6 \n", "a 1 2 3\r\nb 4 5 6\r\n"])
def test_word2vecs_first_line_and_fasttexts_and_windows_ends_of_lines_are_read(tmp_path, text):
    path = Path(tmp_path / "v.txt")
    path.write_bytes(text.encode())
    found = word_vectors.read(str(path))
    assert found.words.to_pylist() == ["a", "b"] and found.matrix.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_glove_6b():
    found = word_vectors.load("glove-6b-50d")
    assert found.words[0].as_py() == "the" and found.matrix.shape == (400_000, 50) == (len(found.words), 50)
    assert np.array_equal(found.mean, found.matrix.mean(axis=0, dtype=np.float64))
    assert len(found.words.unique()) == 400_000
