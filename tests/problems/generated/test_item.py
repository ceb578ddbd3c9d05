"""Items: every form agrees with the graph, and each axis does what it says, alone."""

import dataclasses
import re
from fractions import Fraction
from itertools import islice

import pytest

from calculemus.problems import gsm8k
from calculemus.problems.arithmetic import evaluate
from calculemus.problems.generated import SPLITS, Generated, Item, Spec
from calculemus.problems.generated.check import faults, verify_generated
from calculemus.problems.generated.lexicon import table
from calculemus.problems.generated.pieces import cut
from calculemus.problems.generated.programs import run_program
from calculemus.problems.generated.spec import OPERATIONS

LEVELS = range(1, 9)


def items(spec: Spec, n: int, split: str = "train") -> list[Item]:
    return list(islice(Generated(spec, split), n))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("split", SPLITS)
def test_every_form_of_an_item_agrees_with_its_graph(level: int, split: str) -> None:
    if (level, split) == (1, "depth"):
        return  # one step has one shape
    found = [fault for item in items(Spec.level(level), 60, split) for fault in faults(item)]
    assert found == []


@pytest.mark.parametrize("language", ["de", "calculese"])
def test_every_form_agrees_in_every_language(language: str) -> None:
    for level in LEVELS:
        spec = dataclasses.replace(Spec.level(level), language=language, wording="plain")
        assert [fault for item in items(spec, 40, "iid") for fault in faults(item)] == []


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_thousands_of_items_have_no_fault(level: int) -> None:
    report = verify_generated(f"generated:level={level},n=2500,split=iid,seed=11")
    assert (report.wrong, report.rows) == ((), 2500)


@pytest.mark.parametrize("level", LEVELS)
def test_python_runs_the_program_to_the_answer(level: int) -> None:
    for item in items(Spec.level(level), 100):
        names: dict = {}
        exec(item.program, names)  # the interpreter itself is the reference here
        assert str(names["solution"]()) == item.answer
        assert run_program(item.program) == int(item.answer)


@pytest.mark.parametrize("level", LEVELS)
def test_all_solutions_go_through_the_same_values(level: int) -> None:
    for item in items(Spec.level(level), 50):
        values = [str(step.value) for step in item.dag.steps]
        annotated = gsm8k.parse(item.solution, markers=("####",))
        assert [annotation.value for annotation in annotated.annotations] == values
        assert gsm8k.strip_annotations(item.solution) == item.plain_solution
        *sums, last = item.equations.split("\n")
        assert [line.rpartition(" = ")[2] for line in sums] == values
        assert all(evaluate(left) == evaluate(right) for left, right in (s.split(" = ") for s in sums))
        socratic = item.socratic_solution.split("\n")
        assert [line.partition(" ** ")[2] for line in socratic[:-1]] == item.solution.split("\n")[:-1]
        assert all(line.partition(" ** ")[0].endswith("?") for line in socratic[:-1])
        assert last == socratic[-1] == f"#### {item.answer}"
        lines = item.program.split("\n")
        starts = sum(quantity.id in {"q1"} or quantity.kind == "given" for quantity in item.dag)
        assert len(lines) <= 2 + len(values) + starts


def test_an_item_becomes_a_problem_with_its_axes_and_its_group() -> None:
    item = Generated(Spec.level(5), "iid", 4)[9]
    problem = item.to_problem()
    assert (problem.question, problem.answer, problem.group) == (item.question, item.answer, item.group)
    assert problem.meta["steps"] == 5
    assert problem.meta["split"] == "iid"
    assert {key: problem.meta[key] for key in item.spec.params()} == item.spec.params()
    assert problem.id.endswith(":iid:4/9")


@pytest.mark.parametrize("steps", LEVELS)
def test_the_axis_steps_is_the_number_of_steps(steps: int) -> None:
    for item in items(Spec(steps=steps, ops="all"), 40):
        assert len(item.dag.steps) == steps == item.solution.count("<<")


@pytest.mark.parametrize("digits", range(1, 7))
def test_the_axis_digits_bounds_every_number_and_is_reached(digits: int) -> None:
    longest = 0
    for item in items(Spec(steps=3, digits=digits), 60):
        numerals = re.findall(r"\d+", f"{item.question} {item.equations}")
        assert max(map(len, numerals)) <= digits
        longest += max(map(len, numerals)) == digits
    assert longest > 40


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_axis_ops_gives_that_operation_alone(operation: str) -> None:
    # One step, as a shape of several equal steps may be held out.
    found = {step.op for i in items(Spec(steps=1, digits=3, ops=operation), 80) for step in i.dag.steps}
    several = {
        "compare": {"add", "sub", "mul", "div"},
        "share": {"div"},
        "rate": {"mul"},
        "convert": {"mul"},
    }
    assert found == several.get(operation, {operation})


@pytest.mark.parametrize("fan_in", [1, 2, 3])
def test_the_axis_fan_in_is_the_most_computed_quantities_of_a_step(fan_in: int) -> None:
    for item in items(Spec(steps=5, ops="mixed", fan_in=fan_in), 60):
        assert item.dag.fan_in == fan_in


@pytest.mark.parametrize("distractors", range(4))
@pytest.mark.parametrize("order", ["story", "shuffled"])
def test_no_path_leads_from_a_distractor_to_the_goal(distractors: int, order: str) -> None:
    for item in items(Spec(steps=3, distractors=distractors, order=order), 60):
        dag = item.dag
        assert len(dag.distractors) == distractors
        for quantity in dag.distractors:
            changed = dag.evaluate({quantity.id: quantity.value + 1})
            assert changed[dag.goal] == dag[dag.goal].value
            assert str(quantity.value) in item.question
        for name in sorted(dag.relevant - {dag.goal}):
            if dag[name].kind == "given":
                assert dag.goal not in dag.evaluate(removed=[name])


def test_the_axis_order_moves_sentences_and_names_their_places() -> None:
    spec = Spec(steps=4)
    for story, first, mixed in zip(
        items(spec, 60),
        items(dataclasses.replace(spec, order="question_first"), 60),
        items(dataclasses.replace(spec, order="shuffled"), 60),
        strict=True,
    ):
        sentences = re.findall(r"[^.?]+[.?] ?", story.question + " ")
        assert first.question + " " == sentences[-1] + "".join(sentences[:-1])
        ordinals = ["First", "Second", "Third", "Fourth", "Fifth"]
        told = re.findall(r"(\w+): ([^.]+\. )", mixed.question)
        told.sort(key=lambda pair: ordinals.index(pair[0]))
        assert [text for _, text in told] == sentences[:-1]


def test_the_axis_reference_replaces_names_by_pronouns_of_the_right_person() -> None:
    girls = table("names.toml")["f"]
    for item in items(Spec(steps=4, reference="pronoun"), 100):
        subject = ""
        for sentence in re.findall(r"[^.?]+[.?]", item.question):
            word = sentence.split()[0]
            if word in ("He", "She"):
                assert (word == "She") == (subject in girls), item.question
            elif found := re.match(r"The work of (\w+)|(?!How|There|Each|One|For)(\w+)", sentence.strip()):
                subject = found[1] or found[2]


def test_the_rest_is_told_only_after_something_was_left() -> None:
    found = 0
    for item in items(Spec(steps=4, reference="rest"), 300):
        for before, sentence in zip(
            re.findall(r"[^.?]+[.?]", item.question),
            re.findall(r"[^.?]+[.?]", item.question)[1:],
            strict=False,
        ):
            if "the rest" in sentence:
                found += 1
                assert re.search(r"gives|loses|spends|pays|keeps", before), item.question
    assert found > 10


def test_the_plain_register_is_closed_and_small() -> None:
    vocabulary = set(Generated(Spec.level(8), "train").pieces())
    plain = dataclasses.replace(Spec.level(8), wording="plain")
    pieces = {piece for split in SPLITS for piece in Generated(plain, split).pieces()}
    words = {re.sub(r"[^a-z]", "", piece.lower()) for piece in pieces}
    assert len(words) <= 300
    assert len(pieces) <= 800
    assert len(vocabulary - pieces) > 100  # the rich register has words of its own
    for level in LEVELS:
        for item in items(dataclasses.replace(Spec.level(level), wording="plain"), 60, "names"):
            assert set(cut(f"{item.question}\n{item.solution}\n{item.program}")) <= pieces


def test_a_worked_solution_of_level_three_has_at_most_120_pieces() -> None:
    assert max(len(cut(item.solution)) for item in items(Spec.level(3), 2000)) <= 120


def test_pieces_of_a_text_joined_are_the_text_and_digits_stand_alone() -> None:
    for level in LEVELS:
        for item in items(Spec.level(level), 20):
            text = f"{item.question}\n{item.solution}\n{item.program}"
            assert "".join(cut(text)) == text
            assert all(len(piece) == 1 for piece in cut(text) if any(sign.isdigit() for sign in piece))


def test_the_answer_is_a_whole_number_as_text() -> None:
    for item in items(Spec.level(6), 100):
        assert Fraction(item.answer) == item.dag[item.dag.goal].value
        assert item.answer == str(int(item.answer))
