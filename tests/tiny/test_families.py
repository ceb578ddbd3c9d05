"""Families for merges: made once, the same every time, and experts that beat their base."""

from pathlib import Path

import pytest
import torch

from calculemus.errors import InvalidParameterError
from calculemus.rng import Rng
from calculemus.tiny.arith import LANGUAGES, OPERATIONS, rows, say
from calculemus.tiny.arith_family import ArithRecipe, arith_family
from calculemus.tiny.digit_family import DigitRecipe, digit_family
from calculemus.tiny.digits import DOMAINS, DigitTask, fresh
from calculemus.tuning.tasks import measure
from calculemus.tuning.weights import read_weights

QUICK_DIGITS = DigitRecipe(domains=("plain", "inverted"), base_steps=5, expert_steps=40)
QUICK_ARITH = ArithRecipe(
    base=("add", "max"), experts=("max",), base_steps=10, expert_steps=30, d_model=16, n_layers=1, lr=1e-2
)


def test_an_expert_of_digits_beats_its_base(tmp_path: Path) -> None:
    family = digit_family(QUICK_DIGITS, tmp_path)
    for expert, task in zip(family.experts, family.tasks, strict=True):
        base, tuned = (
            measure(family.model(made), [task], "test")[task.name] for made in (family.base, expert)
        )
        assert tuned.accuracy > base.accuracy + 0.2


def test_a_family_is_the_same_made_twice_and_is_made_once(tmp_path: Path) -> None:
    one, other = (digit_family(QUICK_DIGITS, tmp_path / name) for name in "ab")
    assert [e.digest() for e in one.experts] == [e.digest() for e in other.experts]
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "a").rglob("*")}
    digit_family(QUICK_DIGITS, tmp_path / "a")
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "a").rglob("*")} == before
    assert digit_family(DigitRecipe(**{**QUICK_DIGITS.params(), "seed": 1}), tmp_path).base.digest() != (
        one.base.digest()
    )


@pytest.mark.slow
def test_an_expert_of_sums_beats_its_base_and_is_a_language_model(tmp_path: Path) -> None:
    family = arith_family(QUICK_ARITH, tmp_path)
    task = family.tasks[0]
    base, tuned = (family.model(made) for made in (family.base, family.experts[0]))
    assert task.mean_loss(tuned, "dev") < 0.9 * task.mean_loss(base, "dev")
    assert family.experts[0].is_tied
    assert read_weights(family.base).keys() == read_weights(family.experts[0]).keys()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_rows_of_an_operation_are_right_and_none_is_in_two_parts(operation: str) -> None:
    found = rows(operation)
    prompts = [row.prompt for part in found.values() for row in part]
    assert len(set(prompts)) == len(prompts) >= 1000
    for row in found["test"]:
        body = row.prompt.strip("#@!=")
        expected = {
            "add": lambda b: str(sum(map(int, b.split("+")))),
            "sub": lambda b: str(int(b.split("-")[0]) - int(b.split("-")[1])),
            "mul": lambda b: str(int(b.split("*")[0]) * int(b.split("*")[1])),
            "max": lambda b: str(max(map(int, b.split("?")))),
            "sort": lambda b: "".join(sorted(b)),
            "copy": lambda b: b,
            "reverse": lambda b: b[::-1],
        }[operation](body)
        assert row.completion == expected


def test_the_languages_share_no_sign_and_say_the_same() -> None:
    assert LANGUAGES == ("a", "b")
    for operation in OPERATIONS:
        first, second = (rows(operation, language)["dev"] for language in LANGUAGES)
        signs = [set("".join(row.prompt + row.completion for row in part)) for part in (first, second)]
        assert not signs[0] & signs[1]
        assert [say(row.prompt, "b") for row in first] == [row.prompt for row in second]


def test_an_unknown_operation_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match=r"'root'.*add, sub"):
        rows("root")


def test_every_domain_changes_the_images_and_keeps_their_labels() -> None:
    head = torch.zeros(10, 4)
    tasks = [DigitTask(domain, domain, head) for domain in DOMAINS]
    plain, answers = tasks[0].examples("test")
    for task in tasks[1:]:
        images, same = task.examples("test")
        assert same.equal(answers)
        assert images.shape == plain.shape
        assert not images.allclose(plain)


def test_a_task_of_some_labels_counts_them_from_zero() -> None:
    task = DigitTask("few", "plain", torch.zeros(3, 4), labels=(2, 5, 9))
    _, answers = task.examples("dev")
    assert set(answers.tolist()) == {0, 1, 2}


def test_fresh_weights_come_from_the_stream() -> None:
    one, same, other = (fresh(Rng(seed, ("t",)), 8, 1) for seed in (0, 0, 1))
    assert one.embed.weight.equal(same.embed.weight)
    assert not one.embed.weight.equal(other.embed.weight)
