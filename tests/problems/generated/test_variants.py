"""Variants: each is what its label says, by its proof."""

import re
from collections import Counter
from fractions import Fraction
from itertools import islice

import pytest

from calculemus.errors import InvalidParameterError
from calculemus.exact import parse_number
from calculemus.problems import gsm8k
from calculemus.problems.generated import Generated, Item, Spec
from calculemus.problems.generated.programs import run_program
from calculemus.problems.generated.variants import GSM_PLUS, ILL_POSED, KINDS, NO_ANSWER, Variant, vary

LEVELS = range(1, 9)
WITHOUT_ANSWER = {*ILL_POSED, "critical_thinking"}
SAME_ANSWER = {
    "adding_operation",
    "problem_understanding",
    "distraction_insertion",
    "noop",
    "extra_clauses",
    "culture",
    "persona",
}

Pairs = list[tuple[Item, Variant]]


@pytest.fixture(scope="module")
def made() -> dict[str, Pairs]:
    items = [item for level in LEVELS for item in islice(Generated(Spec.level(level)), 16)]
    return {kind: [(i, v) for i in items if (v := vary(i, kind)) is not None] for kind in KINDS}


def numerals(text: str) -> Counter[str]:
    return Counter(re.findall(r"\d+(?:\.\d+)?", text))


def sentences(text: str) -> Counter[str]:
    """The sentences of a question, without the words that say their order."""
    return Counter(s.strip() for s in re.findall(r"[^.?]+[.?]", re.sub(r"\b[A-Z]\w+: ", "", text)))


def test_nearly_every_item_has_every_variant(made: dict[str, Pairs]) -> None:
    few = {
        "number_conversion": 0.2,
        "domain_violation": 0.6,
        "noop": 0.8,
        "reversing_operation": 0.8,
        "persona": 0.7,
    }
    for kind in KINDS:
        assert len(made[kind]) >= 128 * few.get(kind, 1), kind


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in WITHOUT_ANSWER])
def test_solution_program_and_answer_of_a_variant_agree(made: dict[str, Pairs], kind: str) -> None:
    for item, variant in made[kind]:
        solution = gsm8k.parse(variant.solution or "", markers=("####",))
        assert solution.answer == variant.answer
        assert all(map(gsm8k.check_annotation, solution.annotations))
        value = run_program(variant.program or "")
        if kind == "multiple_choice":
            assert value == int(item.answer)
        else:
            assert value == parse_number(variant.answer)
        assert (variant.answer == item.answer) or kind not in SAME_ANSWER


@pytest.mark.parametrize("kind", sorted(WITHOUT_ANSWER))
def test_what_cannot_be_answered_has_no_answer_and_says_so(made: dict[str, Pairs], kind: str) -> None:
    for _, variant in made[kind]:
        problem = variant.to_problem()
        assert (problem.answer, problem.solution, problem.program) == (NO_ANSWER, None, None)
        assert problem.meta["answerable"] is False


def test_a_variant_shares_the_group_of_its_parent_and_has_its_label(made: dict[str, Pairs]) -> None:
    ids = Counter(variant.id for pairs in made.values() for _, variant in pairs)
    assert max(ids.values()) == 1
    for kind, pairs in made.items():
        for item, variant in pairs:
            problem = variant.to_problem()
            assert problem.group == item.group
            assert problem.meta["variant"] == kind
            assert problem.meta["parent"] == item.id
            assert problem.question != item.question


def test_substitution_and_expansion_change_numbers_alone(made: dict[str, Pairs]) -> None:
    for kind in ("numerical_substitution", "digit_expansion"):
        for item, variant in made[kind]:
            assert re.sub(r"\d+", "#", item.question) == re.sub(r"\d+", "#", variant.question)
            digits = max(map(len, numerals(f"{variant.question} {variant.solution}")))
            more = min(item.spec.digits + 2, 6) - item.spec.digits
            assert digits == item.spec.digits + more or kind == "numerical_substitution"


def test_a_conversion_gives_one_number_a_fractional_part(made: dict[str, Pairs]) -> None:
    for item, variant in made["number_conversion"]:
        (old,) = numerals(item.question) - numerals(variant.question)
        (new,) = numerals(variant.question) - numerals(item.question)
        assert 0 < Fraction(new) - Fraction(old) < 1
        dag = item.dag
        values = dag.evaluate({variant.proof["quantity"]: Fraction(new)})
        assert values[dag.goal] == parse_number(variant.answer)


@pytest.mark.parametrize(("kind", "added"), [("adding_operation", 1), ("extra_clauses", 2)])
def test_an_added_clause_is_a_step_more_and_the_story_needs_it(
    made: dict[str, Pairs], kind: str, added: int
) -> None:
    for item, variant in made[kind]:
        assert (variant.solution or "").count("<<") == item.spec.steps + added
        assert variant.meta["steps"] == item.spec.steps + added
        extra = sentences(variant.question) - sentences(item.question)
        # The new sentences, and one or two starts with another number.
        assert added + 1 <= extra.total() <= 2 * added
        highest = 10**item.spec.digits
        assert all(int(number) < highest for text in extra for number in numerals(text))


@pytest.mark.parametrize("kind", ["distraction_insertion", "noop"])
def test_no_path_leads_from_an_inserted_number_to_the_goal(made: dict[str, Pairs], kind: str) -> None:
    for item, variant in made[kind]:
        assert (sentences(variant.question) - sentences(item.question)).total() == 1
        assert sentences(item.question) - sentences(variant.question) == Counter()
        assert (variant.solution, variant.program) == (item.solution, item.program)
        assert variant.proof["quantity"]
        assert variant.proof["reaches_goal"] is False


def test_a_no_operation_is_about_a_part_of_what_is_there(made: dict[str, Pairs]) -> None:
    for item, variant in made["noop"]:
        (added,) = sentences(variant.question) - sentences(item.question)
        about = item.dag[variant.proof["about"]]
        assert int(next(iter(numerals(added)))) < about.value
        assert str(about.unit) in added


def test_the_reversal_asks_for_the_start_and_gives_the_answer(made: dict[str, Pairs]) -> None:
    for item, variant in made["reversing_operation"]:
        assert Fraction(variant.answer) == item.dag[variant.proof["asked"]].value
        assert numerals(variant.question) == (
            numerals(item.question) - Counter([variant.answer]) + Counter([item.answer])
        )


def test_a_removed_premise_leaves_the_goal_open(made: dict[str, Pairs]) -> None:
    for kind in ("removed_premise", "critical_thinking"):
        for item, variant in made[kind]:
            dag, removed = item.dag, variant.proof["removed"]
            assert dag.goal in variant.proof["undetermined"]
            gone = numerals(item.question) - numerals(variant.question)
            assert gone == Counter([str(dag[removed].value)])
            # Two values that the text allows, a goal for each: it is not determined.
            goals = {dag.evaluate({removed: dag[removed].value * k})[dag.goal] for k in (1, 1009, 2027)}
            assert len(goals) > 1


def test_a_contradiction_gives_one_quantity_two_values(made: dict[str, Pairs]) -> None:
    for item, variant in made["contradiction"]:
        first, second = variant.proof["clash"]
        name = variant.proof["quantity"]
        assert first.split(" = ")[-1] == str(item.dag[name].value)
        claimed = second.split(" = ")[-1]
        assert claimed != first.split(" = ")[-1]
        (claim,) = sentences(variant.question) - sentences(item.question)
        assert claimed in numerals(claim)


def test_a_domain_violation_counts_half_things(made: dict[str, Pairs]) -> None:
    for item, variant in made["domain_violation"]:
        assert Fraction(variant.proof["value"]).denominator == 2
        assert variant.proof["value"] in variant.question
        assert item.dag[variant.proof["quantity"]].value + Fraction(1, 2) == Fraction(variant.proof["value"])


def test_without_a_question_nothing_is_asked(made: dict[str, Pairs]) -> None:
    for item, variant in made["no_question"]:
        assert "?" not in variant.question
        assert variant.question in item.question


def test_a_foreign_instruction_stands_between_the_sentences(made: dict[str, Pairs]) -> None:
    for item, variant in made["foreign_instruction"]:
        text = variant.proof["instruction"]
        assert variant.question.replace(f" {text}", "").replace(f"{text} ", "") == item.question.replace(
            item.question, variant.question.replace(f" {text}", "")
        )
        assert text in variant.question


def test_a_skin_replaces_words_one_to_one_and_keeps_numbers(made: dict[str, Pairs]) -> None:
    for kind in ("culture", "persona"):
        for item, variant in made[kind]:
            replaced = variant.proof["replaced"]
            assert len(set(replaced.values())) == len(replaced)
            assert numerals(variant.question) == numerals(item.question)
            back = {new: old for old, new in replaced.items()}
            longest = sorted(back, key=len, reverse=True)
            pattern = rf"\b({'|'.join(map(re.escape, longest))})\b"
            restored = re.sub(pattern, lambda found, back=back: back[found[0]], variant.question)
            assert restored == item.question


def test_a_choice_offers_the_answer_once_and_real_mistakes(made: dict[str, Pairs]) -> None:
    letters = Counter()
    for item, variant in made["multiple_choice"]:
        options = dict(re.findall(r"^\(([A-D])\) (\d+)$", variant.question, re.MULTILINE))
        assert len(set(options.values())) == 4
        assert options[variant.answer] == item.answer
        assert variant.proof[item.answer] == "right"
        letters[variant.answer] += 1
    assert min(letters.values()) > 10  # of 128; 32 are expected, with a deviation of 5


def test_the_kinds_of_gsm_plus_are_eight_and_there_are_five_without_answer() -> None:
    assert len(GSM_PLUS) == 8
    assert len(ILL_POSED) == 5
    assert set(GSM_PLUS) | set(ILL_POSED) <= set(KINDS)


@pytest.mark.parametrize("language", ["de", "calculese"])
def test_variants_exist_in_other_languages_too(language: str) -> None:
    for item in islice(Generated(Spec(steps=3, language=language)), 15):
        for kind in KINDS:
            variant = vary(item, kind)
            if variant and variant.program:
                value = run_program(variant.program)
                assert kind == "multiple_choice" or value == parse_number(variant.answer)
            assert (variant is None) <= (
                kind in ("culture", "persona", "number_conversion", "domain_violation")
            )


def test_a_variant_depends_on_item_kind_and_number_alone() -> None:
    item = Generated(Spec.level(3))[7]
    again = Generated(Spec.level(3))[7]
    assert [vary(item, kind) for kind in KINDS] == [vary(again, kind) for kind in KINDS]
    several = {vary(item, "noop", number).question for number in range(10)}  # type: ignore[union-attr]  # every item has one
    assert len(several) > 3


def test_an_unknown_kind_of_variant_is_refused() -> None:
    with pytest.raises(
        InvalidParameterError, match="'kind' is 'typo'; expected one of numerical_substitution"
    ):
        vary(Generated(Spec())[0], "typo")
