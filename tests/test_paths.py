"""The names and folders of configurations."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pielab.compression.pruners import KNOWN
from pielab.store.paths import Configuration

# From a ten-thousandth of a percent on, a number has no exponent, whose sign would be a second "-" behind the method.
NUMBERS = st.floats(1e-4, 1e5)
METHODS = st.sampled_from([*KNOWN, "RTN", "Wanda", "SparseGPT+quant", "control-FT", "control-nested", "score"])
SETTINGS = NUMBERS | st.integers(0, 99) | st.sampled_from(["2of4", "4of8"])


@pytest.mark.parametrize(
    ("method", "setting", "name"),
    [
        ("unpruned", 0.0, "dense"),
        ("IMP-FT", 90.0, "IMP-FT-90"),
        ("IMP-FT-nested", 99.5, "IMP-FT-nested-99.5"),
        ("RTN", 4, "RTN-4"),
        ("Wanda", "2of4", "Wanda-2of4"),
        ("control-FT", 0.0, "control-FT"),
        ("control-gradual", 0, "control-gradual"),
        ("control-nested", 90, "control-nested-90"),
        ("score", 90, "score-90"),
    ],
)
def test_a_configuration_is_known_by_its_name_and_folder(method, setting, name):
    configuration = Configuration("bbc-news", "bilstm", method, setting)
    assert configuration.name == name and configuration.pair == "bbc-news-bilstm"
    assert configuration.folder(Path("results/s")) == Path("results/s/bbc-news-bilstm") / name
    assert configuration.unpruned == (name == "dense")
    record = {"seed": 0, "dataset": "bbc-news", "model": "bilstm", "pruner": method, "threshold": setting}
    assert Configuration.of(record) == configuration
    assert Configuration.of(configuration.record) == configuration and configuration.record.items() <= record.items()


@given(METHODS, SETTINGS)
def test_a_folder_has_a_safe_name(method, setting):
    assert re.fullmatch(r"\w[\w.+-]*", Configuration("d", "m", method, setting).name)


@given(METHODS, SETTINGS, METHODS, SETTINGS)
def test_two_configurations_share_a_folder_only_if_their_settings_agree_to_six_digits(first, its, second, others):
    folders = {Configuration("d", "m", *each).target for each in ((first, its), (second, others))}
    shown = {
        (method, each if isinstance(each, str) else f"{each:g}") for method, each in ((first, its), (second, others))
    }
    assert len(folders) == len(shown)
