"""The generator's check of itself: solution, program and graph agree, and the constraints hold."""

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import Any

from calculemus.errors import ProblemError
from calculemus.events import track
from calculemus.exact import parse_number
from calculemus.problems import gsm8k
from calculemus.problems.arithmetic import evaluate
from calculemus.problems.generated.dag import Dag
from calculemus.problems.generated.item import Item
from calculemus.problems.generated.language import translate
from calculemus.problems.generated.named import parse
from calculemus.problems.generated.programs import run_program
from calculemus.problems.verify import Finding, Report

_NUMERAL = re.compile(r"\d+")
_SLOT = re.compile(r"[{}]|%s")


def faults(item: Item) -> list[str]:
    """Return everything that is wrong with an item; nothing for a sound one."""
    dag = item.dag
    return [
        *_solution_faults(item, dag),
        *_program_faults(item),
        *_graph_faults(item, dag),
        *_constraint_faults(item, dag),
        *_question_faults(item, dag),
    ]


def verify_generated(name: str) -> Report:
    """Check every item of a generated set, one at a time, and count.

    Raises:
        ProblemError: A name that is not understood.
    """
    problems, count = parse(name)
    wrong: list[Finding] = []
    seen: set[int] = set()
    totals = dict.fromkeys(("steps", "annotations", "quantities", "characters"), 0)
    for item in track(islice(problems, count), f"verifying {name}", total=count):
        wrong += (Finding(item.id, fault) for fault in faults(item))
        seen.add(hash(item.question))
        totals["steps"] += item.spec.steps
        totals["annotations"] += item.solution.count("<<")
        totals["quantities"] += len(item.dag.quantities)
        totals["characters"] += len(item.question)
    facts: dict[str, Any] = {
        "checks": {
            "problems": count,
            "annotations": totals["annotations"],
            "quantities": totals["quantities"],
        },
        "questions": {"mean_characters": totals["characters"] / count, "repeated": count - len(seen)},
        "steps": {"total": totals["steps"], "mean": totals["steps"] / count},
    }
    return Report(name, f"generated, {problems.spec}", problems.name, count, facts, tuple(wrong))


def _solution_faults(item: Item, dag: Dag) -> Iterator[str]:
    """Parse the annotations again and hold them against the graph."""
    solution = gsm8k.parse(item.solution, markers=("####",))
    if parse_number(solution.answer or "") != parse_number(item.answer):
        yield f"the solution ends in {solution.answer!r}, the answer is {item.answer!r}"
    if len(solution.steps) != len(dag.steps):
        yield f"the solution has {len(solution.steps)} lines, the graph {len(dag.steps)} steps"
    for annotation, step in zip(solution.annotations, dag.steps, strict=False):
        if not gsm8k.check_annotation(annotation) or evaluate(annotation.value or "") != step.value:
            yield f"the annotation <<{annotation.source}>> does not give {step.id} = {step.value}"


def _program_faults(item: Item) -> Iterator[str]:
    try:
        value = run_program(item.program)
    except (ProblemError, ZeroDivisionError) as error:
        yield f"the program does not run: {error}"
        return
    if value != parse_number(item.answer):
        yield f"the program returns {value}, the answer is {item.answer}"


def _graph_faults(item: Item, dag: Dag) -> Iterator[str]:
    values = dag.evaluate()
    if values[dag.goal] != parse_number(item.answer):
        yield f"the graph gives {values[dag.goal]}, the answer is {item.answer}"
    for quantity in dag:
        if values[quantity.id] != quantity.value:
            yield f"{quantity.id} is {quantity.value} in the story and {values[quantity.id]} in the graph"
    yield from dag.unit_faults()
    if len(dag.distractors) != item.spec.distractors:
        yield f"{len(dag.distractors)} quantities lead nowhere, expected {item.spec.distractors}"
    if dag.fan_in > item.spec.fan_in:
        yield f"a step takes {dag.fan_in} computed quantities, expected at most {item.spec.fan_in}"


def _constraint_faults(item: Item, dag: Dag) -> Iterator[str]:
    limit = 10**item.spec.digits
    for quantity in dag:
        value = quantity.value
        is_free = quantity.kind == "constant" or str(quantity.unit) == "percent"
        if value.denominator != 1 or value < 1 or (value >= limit and not is_free):
            yield f"{quantity.id} is {value}, expected a whole number with at most {item.spec.digits} digits"
    if len(dag.steps) != item.spec.steps:
        yield f"{len(dag.steps)} steps, expected {item.spec.steps}"


def _question_faults(item: Item, dag: Dag) -> Iterator[str]:
    """Every given number stands in the question once, and no other number does."""
    question = item.question
    if item.spec.language == "calculese":
        question = translate(question, to="en")
        if translate(question, to="calculese") != item.question:
            yield "the question is not the same when it is translated back and forth"
    if _SLOT.search(question):
        yield "the question has an unfilled slot"
    given = sorted(quantity.value for quantity in dag if quantity.kind != "computed")
    told = sorted(Fraction(numeral) for numeral in _NUMERAL.findall(question))
    if given != told:
        yield f"the question gives {', '.join(map(str, told))}, the graph {', '.join(map(str, given))}"
