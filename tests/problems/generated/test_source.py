"""The sequence: random access, seeds, splits."""

import dataclasses
import json
import re
import subprocess
import sys
from collections import Counter
from itertools import islice

import pytest

from calculemus.errors import ProblemError
from calculemus.problems.generated import SPLITS, Generated, Item, Spec
from calculemus.problems.generated.draft import is_held_out
from calculemus.problems.generated.lexicon import split_names, split_sentences, table
from calculemus.problems.generated.stream import Stream
from calculemus.rng import Rng

SHARED = 300  # items of each split that are compared


def items(level: int, split: str, n: int = SHARED, seed: int = 0) -> list[Item]:
    return list(islice(Generated(Spec.level(level), split, seed), n))


def test_an_item_is_the_same_whatever_was_made_before_it() -> None:
    forward, other = Generated(Spec.level(4)), Generated(Spec.level(4))
    texts = [forward[index].question for index in range(20)]
    assert [other[index].question for index in reversed(range(20))] == texts[::-1]
    assert other[10**12].question == Generated(Spec.level(4))[10**12].question


def test_another_process_with_another_hash_seed_makes_the_same_items() -> None:
    code = (
        "import json\nfrom calculemus.problems.generated import Generated, Spec\n"
        "print(json.dumps([Generated(Spec.level(8), 'iid')[i].question for i in range(5)]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout) == [item.question for item in items(8, "iid", 5)]


def test_neighbouring_seeds_share_no_items_and_an_endless_run_repeats_none() -> None:
    first, second = ({item.question for item in items(3, "train", 2000, seed)} for seed in (0, 1))
    assert first & second == set()
    assert len(first) == 2000


def test_the_streams_of_neighbours_share_no_numbers() -> None:
    streams = [Stream(Rng(seed), "x") for seed in (0, 1)]
    numbers = [draw() for s in streams for i in range(50) for draw in [s.draws(i)] for _ in range(40)]
    assert len(set(numbers)) > len(numbers) - 3  # 4,000 numbers of 32 bits: 0.002 collisions are expected
    assert 0.45 < sum(number >> 31 for number in numbers) / len(numbers) < 0.55


@pytest.mark.parametrize("level", [1, 2, 3, 5])
def test_no_two_splits_share_moves_with_numbers(level: int) -> None:
    splits = [split for split in SPLITS if level > 1 or split != "depth"]
    seen = {split: {item.draft.structure for item in items(level, split)} for split in splits}
    shared = [(a, b) for a in splits for b in splits if a < b and seen[a] & seen[b]]
    assert shared == []


def test_splits_stay_disjoint_between_specs() -> None:
    narrow = {i.draft.structure for i in islice(Generated(Spec(steps=1, digits=1, ops="additive")), 3000)}
    spec = Spec(steps=1, digits=2, ops="additive")
    wide = Generated(spec, "iid")
    tests = {wide[index].draft.structure for index in range(3000)}
    assert len(narrow) > 50
    assert narrow & tests == set()


def given_numbers(item: Item) -> list[int]:
    return [int(q.value) for q in item.dag if q.kind == "given" and q.id in item.dag.relevant]


@pytest.mark.parametrize("split", SPLITS)
def test_held_out_numbers_are_given_in_their_split_alone(split: str) -> None:
    for item in items(2, split):
        assert any(map(is_held_out, given_numbers(item))) == (split == "numbers"), item.question


def test_held_out_names_occur_in_their_split_alone() -> None:
    held_out = {name for name, _ in split_names("names")}
    assert len(held_out) == 13
    assert held_out & {name for name, _ in split_names("train")} == set()
    for split in SPLITS:
        said = set(re.findall(r"\w+", " ".join(item.question for item in items(5, split))))
        assert said & held_out == (held_out if split == "names" else set())


def test_held_out_sentences_are_told_in_their_split_alone() -> None:
    tables = table("languages/english.toml")
    for name, entry in tables.items():
        for register in ("plain", "rich"):
            sentences = entry.get(register, [])
            if sentences:
                kept, held_out = (split_sentences(sentences, s) for s in ("train", "templates"))
                assert sorted((*kept, *held_out)) == sorted(sentences), name
                assert len(held_out) == 1


def test_a_held_out_shape_occurs_in_its_split_alone() -> None:
    def shape(item: Item) -> tuple:
        return tuple((step.op, len(step.inputs)) for step in item.dag.steps)

    shapes = {split: Counter(shape(item) for item in items(2, split)) for split in ("train", "iid", "depth")}
    assert shapes["depth"].keys() & (shapes["train"].keys() | shapes["iid"].keys()) == set()
    assert set(shapes["iid"]) <= set(shapes["train"])


def test_a_split_that_no_problem_falls_in_is_refused_with_the_reason() -> None:
    with pytest.raises(ProblemError, match=r"fell in the split 'depth'; expected one\. Allow more"):
        Generated(Spec(steps=1), "depth")[0]


@pytest.mark.parametrize("level", range(1, 9))
def test_train_and_iid_are_alike(level: int) -> None:
    # The same distribution: shares of the last move differ by no more than chance, within four deviations.
    a, b = (Counter(item.rows[-1][0].id for item in items(level, split, 400)) for split in ("train", "iid"))
    for move in a | b:
        share = (a[move] + b[move]) / 800
        assert abs(a[move] - b[move]) <= 4 * (800 * share * (1 - share)) ** 0.5 + 1


def test_telling_in_another_way_keeps_the_quantities_and_the_group() -> None:
    plain = Spec(steps=4, ops="all", fan_in=2)
    changes = [
        {"order": "shuffled"},
        {"order": "question_first"},
        {"reference": "pronoun"},
        {"reference": "rest"},
        {"wording": "rich"},
        {"distractors": 2},
        {"language": "de"},
        {"language": "calculese"},
    ]
    for change in changes:
        source, other = Generated(plain), Generated(dataclasses.replace(plain, **change))
        pairs = [(source[index], other[index]) for index in range(30)]
        for a, b in pairs:
            assert a.draft == b.draft
            assert (a.group, a.program, a.answer) == (b.group, b.program, b.answer)
            assert a.id != b.id
        # Not every story has a place for a pronoun.
        assert sum(a.question != b.question for a, b in pairs) > 15
