"""What is derived from texts is made once, and again if its file is of no use."""

import errno

import pandas as pd
import pytest

from pielab.analysis.examples import readability
from pielab.store.cache import cache_folder, derived


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PIELAB_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def made():
    return []


def lengths(texts, made, depends_on="v1"):
    """The lengths of texts, kept as a line of text; `made` counts how often they were computed."""

    def make():
        made.append(1)
        return [len(text) for text in texts]

    def read(path):
        return [int(part) for part in path.read_text().split(",")]

    def write(values, path):
        path.write_text(",".join(map(str, values)))

    return derived("lengths/{}.txt", texts, depends_on, make, read, write)


def test_it_is_made_once_for_the_same_texts_and_whatever_else_it_depends_on(made, folder):
    assert lengths(["a", "bc"], made) == lengths(["a", "bc"], made) == [1, 2] and len(made) == 1
    assert lengths(["ab", "c"], made) == [2, 1] and len(made) == 2  # the same characters, parted otherwise
    assert lengths(["a", "bc"], made, "v2") == [1, 2] and len(made) == 3
    assert lengths(["\ud800"], made) == [1]  # half a character, as some corpora hold
    assert len(list((folder / "lengths").glob("*.txt"))) == 4 and cache_folder() == folder


@pytest.mark.parametrize("content", [b"", b"1,", b"\xff\xfe", b"not numbers"])
def test_a_file_that_cannot_be_read_is_made_again(made, folder, content):
    lengths(["a", "bc"], made)
    (path,) = (folder / "lengths").glob("*.txt")
    path.write_bytes(content)
    assert lengths(["a", "bc"], made) == [1, 2] and len(made) == 2
    assert lengths(["a", "bc"], made) == [1, 2] and len(made) == 2 and path.read_text() == "1,2"


def test_a_refused_permission_is_no_damage(made, folder):
    lengths(["a", "bc"], made)

    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with pytest.raises(PermissionError):
        derived("lengths/{}.txt", ["a", "bc"], "v1", list, refuse, lambda *_: pytest.fail("made again"))


def test_a_mistake_while_it_is_made_is_not_hidden_and_leaves_nothing(folder):
    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        derived("x/{}.txt", ["a"], "", fail, lambda path: path.read_text(), lambda text, path: path.write_text(text))
    assert not list(folder.rglob("*.txt"))


def test_scores_cut_off_in_the_cache_are_computed_again(folder):
    texts = ["A short text.", "A text that is somewhat longer."]
    first = readability.scores(texts)
    (path,) = (folder / "readability").glob("*.parquet")
    whole = path.read_bytes()
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        pd.testing.assert_frame_equal(readability.scores(texts), first)
        assert path.read_bytes() == whole
