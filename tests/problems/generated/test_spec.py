"""The axes of difficulty, the levels, and the names of generated sets."""

import dataclasses
from itertools import pairwise

import pytest

from calculemus.errors import InvalidParameterError
from calculemus.problems import load
from calculemus.problems.generated import SPLITS, Generated, Spec
from calculemus.problems.generated.named import parse
from calculemus.problems.generated.spec import LEVELS, MIXES, OPERATIONS


def test_a_level_is_never_easier_on_any_axis_than_the_one_before_it() -> None:
    mixes = list(MIXES)
    orders = ["story", "question_first", "shuffled"]
    references = ["explicit", "pronoun", "rest"]
    wordings = ["plain", "rich"]

    def ranks(spec: Spec) -> tuple[int, ...]:
        texts = (mixes.index(spec.ops), orders.index(spec.order), references.index(spec.reference))
        wording = wordings.index(spec.wording)
        return spec.steps, spec.digits, spec.fan_in, spec.distractors, *texts, wording

    path = [ranks(Spec.level(level)) for level in range(1, LEVELS + 1)]
    for easier, harder in pairwise(path):
        assert all(a <= b for a, b in zip(easier, harder, strict=True))
        assert easier[0] < harder[0]


def test_each_mix_of_operations_holds_the_one_before_it_and_the_last_holds_all() -> None:
    mixes = list(MIXES.values())
    for smaller, larger in pairwise(mixes):
        assert set(smaller) < set(larger)
    assert mixes[-1] == OPERATIONS


@pytest.mark.parametrize(
    ("axes", "named"),
    [
        ({"steps": 0}, "steps"),
        ({"steps": 9}, "steps"),
        ({"digits": 7}, "digits"),
        ({"fan_in": 4}, "fan_in"),
        ({"distractors": 4}, "distractors"),
        ({"ops": "add+plus"}, "ops"),
        ({"order": "random"}, "order"),
        ({"steps": 2, "fan_in": 2}, "fan_in"),
        ({"language": "de", "wording": "rich"}, "wording"),
    ],
)
def test_an_axis_out_of_range_is_named(axes: dict, named: str) -> None:
    with pytest.raises(InvalidParameterError, match=f"parameter '{named}'"):
        Spec(**axes)


@pytest.mark.parametrize("level", [0, 9])
def test_a_level_off_the_path_is_named(level: int) -> None:
    with pytest.raises(InvalidParameterError, match=rf"'level' is {level}; expected .* \[1, 8\]"):
        Spec.level(level)


def test_specs_that_differ_in_telling_alone_have_one_digest_of_their_shape() -> None:
    spec = Spec.level(5)
    telling = {"distractors": 3, "order": "shuffled", "reference": "rest", "language": "de"}
    shape = {"steps": 6, "digits": 4, "ops": "all", "fan_in": 3}
    assert all(
        dataclasses.replace(spec, **{k: v}).shape_digest == spec.shape_digest for k, v in telling.items()
    )
    others = {dataclasses.replace(spec, **{k: v}).shape_digest for k, v in shape.items()}
    assert len(others | {spec.shape_digest}) == 5


def test_a_name_gives_level_axes_split_seed_and_number() -> None:
    problems, count = parse("generated:level=3,n=7,split=names,seed=5,digits=4,ops=add+percent")
    assert (count, problems.split, problems.seed) == (7, "names", 5)
    assert problems.spec == dataclasses.replace(Spec.level(3), digits=4, ops="add+percent")
    assert parse("generated")[0].spec == Spec.level(2)


def test_loading_a_name_gives_the_items_as_problems() -> None:
    loaded = load("generated:level=2,n=20,split=iid,seed=3")
    source = Generated(Spec.level(2), "iid", 3)
    assert list(loaded) == [source[index].to_problem() for index in range(20)]
    assert len(load("generated:level=2,n=20,split=iid,seed=3", limit=4)) == 4


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("generated:lvl=2", "no setting 'lvl'"),
        ("generated:level=two", "'level' is 'two'"),
        ("generated:n=0", "'n' is 0"),
        ("generated:split=test", "'split' is 'test'"),
        ("generated:steps=3,fan_in=3", "'fan_in' is 3 with 3 steps"),
        ("generated:level", "expected param=value"),
    ],
)
def test_a_wrong_name_is_refused_with_what_is_wrong(name: str, told: str) -> None:
    with pytest.raises(InvalidParameterError, match=told):
        load(name)


def test_an_unknown_split_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidParameterError, match=", ".join(SPLITS)):
        Generated(Spec(), "test")
