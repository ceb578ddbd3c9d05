"""Recipes: what they say, and how their settings depend on the tensor."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.errors import InvalidParameterError
from calculemus.merging.recipe import Input, MergeRecipe, Slice, read_recipe, recipe_from, to_toml
from calculemus.merging.settings import Choice, is_total, plain_setting, read_setting, value_at
from calculemus.merging.varying import place_of

UP = "model.layers.{}.mlp.up_proj.weight"
Q = "model.layers.{}.self_attn.q_proj.weight"

# What a recipe says.

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)
VALUES = st.one_of(
    st.booleans(), st.integers(-(2**62), 2**62), st.floats(allow_nan=False), st.text(max_size=9)
).map(lambda v: v.encode("utf-8", "ignore").decode() if isinstance(v, str) else v)
PLAIN = VALUES | st.lists(VALUES, min_size=1, max_size=4).map(tuple)
SETTINGS = st.dictionaries(
    NAMES.filter(lambda name: name not in ("model", "layers", "sources")),
    PLAIN | st.lists(st.builds(Choice, PLAIN, NAMES), min_size=1, max_size=3).map(tuple),
    max_size=3,
)
LAYERS = st.tuples(st.integers(0, 99), st.integers(0, 99))
RECIPES = st.builds(
    MergeRecipe,
    NAMES,
    base=NAMES | st.just(""),
    parameters=SETTINGS,
    dtype=st.sampled_from([None, "bfloat16"]),
    precision=st.sampled_from(["", "float64"]),
    seed=st.integers(0, 2**62),
    tokenizer=NAMES | st.just(""),
)
WITH_MODELS = st.builds(
    lambda recipe, models: replace(recipe, models=tuple(models)),
    RECIPES,
    st.lists(st.builds(Input, NAMES, SETTINGS), min_size=1, max_size=3),
)
SOURCES = st.lists(st.builds(Input, NAMES, SETTINGS, LAYERS), min_size=1, max_size=2).map(tuple)
WITH_SLICES = st.builds(
    lambda recipe, slices: replace(recipe, slices=tuple(slices)),
    RECIPES,
    st.lists(st.builds(Slice, SOURCES, SETTINGS), min_size=1, max_size=3),
)


@given(WITH_MODELS | WITH_SLICES)
def test_a_recipe_reads_back_from_its_own_toml(recipe: MergeRecipe) -> None:
    assert recipe_from(tomllib.loads(to_toml(recipe))) == recipe


def test_a_recipe_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(
        'method = "ties"\nbase = "b"\nseed = 3\n[parameters]\ndensity = [0.1, 0.9]\n'
        '[[models]]\nmodel = "m"\nweight = [{filter = "mlp", value = [0, 1]}, {value = 2}]\n'
    )
    weight = (Choice((0, 1), "mlp"), Choice(2))
    expected = MergeRecipe(
        "ties", (Input("m", {"weight": weight}),), base="b", seed=3, parameters={"density": (0.1, 0.9)}
    )
    assert read_recipe(path) == expected
    assert expected.names() == ["b", "m"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("method = ", "expected a TOML file"),
        ("[[models]]\nmodel = 'a'", "there is no 'method'"),
        ("method = 3\n[[models]]\nmodel = 'a'", "'method' is 3; expected text"),
        ("method = 'ties'", "neither of 'models' and 'slices'"),
        ("method = 'ties'\nmodels = []\nslices = []", "both of 'models' and 'slices'"),
        ("method = 'ties'\nmodels = 3", "'models' is 3; expected tables"),
        ("metod = 'ties'", "no key 'metod'; did you mean method?"),
        ("method = 'ties'\nseed = true\nmodels = []", "'seed' is True; expected a whole number"),
        ("method = 'ties'\n[[models]]\nweight = 1", "a model has no 'model'"),
        ("method = 'ties'\n[[models]]\nmodel = 'a'\nweight = []", "'weight' is []; expected a value"),
        ("method = 'ties'\n[[models]]\nmodel = 'a'\nweight = [{vale = 1}]", "did you mean value?"),
        ("method = 'ties'\n[[models]]\nmodel = 'a'\nweight = [1, {value = 1}]", "'weight' has 1"),
        (
            "method = 'ties'\n[[models]]\nmodel = 'a'\nweight = {value = 1, filter = 2}",
            "a filter of 'weight'",
        ),
        ("method = 'ties'\nparameters = 3\nmodels = []", "the settings are 3"),
        ("method = 'ties'\n[[slices]]\n", "a slice has no source"),
        ("method = 'ties'\n[[slices]]\nsources = [{model = 'a'}]", "or one without 'layers'"),
        ("method = 'ties'\n[[slices]]\nsources = [{model = 'a', layers = [1]}]", "the layers are [1]"),
    ],
)
def test_a_recipe_that_says_nothing_sensible_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(text)
    with pytest.raises(InvalidParameterError) as caught:
        read_recipe(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"reading the recipe {path}: ")


def test_a_recipe_that_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_bytes(b"\xff\xfe\x00")
    for name in ("r.toml", "none.toml"):
        with pytest.raises(InvalidParameterError, match="reading the recipe"):
            read_recipe(tmp_path / name)


# Values by tensor.


@given(
    st.lists(st.floats(-100, 100), min_size=1, max_size=6),
    st.floats(0, 1),
)
def test_a_gradient_is_linear_between_its_values(values: list[float], depth: float) -> None:
    expected = np.interp(depth, np.linspace(0, 1, len(values)), values)
    assert value_at(tuple(values), "w", depth) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_gradient_of_words_takes_the_one_before() -> None:
    assert [value_at(("a", "b", "c"), "w", depth) for depth in (0, 0.49, 0.5, 1)] == ["a", "a", "b", "c"]


def test_the_first_filter_that_matches_counts() -> None:
    setting = (Choice(1, "mlp"), Choice(2, "layers.1*.mlp"), Choice(3, "self_attn"))
    assert value_at(setting, UP.format(1), 0) == 1
    assert value_at(setting[1:], UP.format(1), 0) == 2
    assert value_at(setting[1:], UP.format(0), 0) is None
    assert value_at(setting, Q.format(1), 0) == 3
    assert not is_total(setting)
    assert is_total((*setting, Choice(4)))
    assert is_total(0)
    assert not is_total(None)


@given(SETTINGS)
def test_settings_read_back_from_plain_data(settings: Mapping[str, Any]) -> None:
    for name, setting in settings.items():
        assert read_setting("reading", name, plain_setting(setting)) == setting


def test_places_are_counted_slice_by_slice() -> None:
    names = [UP.format(n) for n in range(6)]
    places = [place_of(name, (3, 1, 2)) for name in names]
    assert [place.slice for place in places] == [0, 0, 0, 1, 2, 2]
    assert [place.depth for place in places] == [0, 0.5, 1, 1, 0, 1]
    ends = [place_of(name, (3, 1, 2)) for name in ("model.embed_tokens.weight", "model.norm.weight")]
    assert [(place.slice, place.depth) for place in ends] == [(0, 0), (2, 0)]
