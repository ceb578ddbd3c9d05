"""The annotated solutions of GSM8K, read and written byte for byte.

    Janet sells 16 - 3 - 4 = <<16-3-4=9>>9 duck eggs a day.
    She makes 9 * 2 = $<<9*2=18>>18 every day at the farmer's market.
    #### 18

A line is a step. ``<<expression=value>>`` is an annotation: it stands before its value in the text. The last
line holds the final answer, after ``####`` in the data set and after ``A:`` in the solutions of the models
that were published with it. The last annotation is often not the final answer, so it is never taken for it.
"""

import re
from dataclasses import dataclass

from calculemus.problems.arithmetic import holds

MARKERS = ("####", "A:")

_ANNOTATION = re.compile(r"<<([^<>\n]*)>>")


@dataclass(frozen=True, slots=True)
class Annotation:
    """``<<expression=value>>`` inside a step.

    Attributes:
        position: Where it stands in the step's text, which is without annotations.
        expression: All before the last ``=``.
        value: All after it; None where a model wrote none.
    """

    position: int
    expression: str
    value: str | None

    @property
    def source(self) -> str:
        """The text between ``<<`` and ``>>``."""
        return self.expression if self.value is None else f"{self.expression}={self.value}"


@dataclass(frozen=True, slots=True)
class Step:
    """One line: its text without annotations, and the annotations in order."""

    text: str
    annotations: tuple[Annotation, ...] = ()


@dataclass(frozen=True, slots=True)
class AnnotatedSolution:
    """A worked solution.

    Attributes:
        steps: The lines before the final answer, blank ones too.
        answer: The final answer as it is written, for example ``885,000``; None where there is none.
        marker: What stands before it, for example ``#### ``.
        rest: What follows it: nothing in the data set, anything in a model's text.
    """

    steps: tuple[Step, ...]
    answer: str | None = None
    marker: str = ""
    rest: str = ""

    @property
    def annotations(self) -> tuple[Annotation, ...]:
        """All annotations in order."""
        return tuple(annotation for step in self.steps for annotation in step.annotations)

    @property
    def written_steps(self) -> tuple[Step, ...]:
        """The steps that are not blank."""
        return tuple(step for step in self.steps if step.text.strip() or step.annotations)


def parse(text: str, markers: tuple[str, ...] = MARKERS) -> AnnotatedSolution:
    r"""Read a solution; any text is one, perhaps without annotations or final answer.

    Args:
        text: What a person or a model wrote.
        markers: What may begin the line of the final answer; the last such line counts.

    Example:
        >>> solution = parse("Half is 9/2=<<9/2=4.5>>4.5\n#### 4.5")
        >>> solution.answer, solution.steps[0].text, solution.annotations[0].expression
        ('4.5', 'Half is 9/2=4.5', '9/2')
    """
    lines = text.split("\n")
    final = next((i for i in range(len(lines) - 1, -1, -1) if lines[i].startswith(markers)), None)
    if final is None:
        return AnnotatedSolution(tuple(_parse_step(line) for line in lines))
    line = lines[final]
    marker = next(marker for marker in markers if line.startswith(marker))
    start = len(line) - len(line[len(marker) :].lstrip())
    answer = line[start:].rstrip()
    rest = "\n".join([line[start + len(answer) :], *lines[final + 1 :]])
    return AnnotatedSolution(tuple(_parse_step(line) for line in lines[:final]), answer, line[:start], rest)


def write(solution: AnnotatedSolution) -> str:
    """Return the text that ``parse`` read."""
    lines = [_write_step(step) for step in solution.steps]
    if solution.answer is not None:
        lines.append(f"{solution.marker}{solution.answer}{solution.rest}")
    return "\n".join(lines)


def strip_annotations(text: str) -> str:
    """Return a solution as a person would write it."""
    return _ANNOTATION.sub("", text)


def check_annotation(annotation: Annotation) -> bool:
    """Say whether the expression, evaluated exactly, equals the value within 1e-6 of its size.

    An annotation with anything but arithmetic (``3*A=9``) is not right.
    """
    return holds(annotation.source) is True


def _parse_step(line: str) -> Step:
    parts: list[str] = []
    annotations: list[Annotation] = []
    end = position = 0
    for match in _ANNOTATION.finditer(line):
        parts.append(line[end : match.start()])
        position += len(parts[-1])
        left, equals, right = match[1].rpartition("=")
        annotations.append(Annotation(position, left, right) if equals else Annotation(position, right, None))
        end = match.end()
    return Step("".join([*parts, line[end:]]), tuple(annotations))


def _write_step(step: Step) -> str:
    parts: list[str] = []
    end = 0
    for annotation in step.annotations:
        parts += [step.text[end : annotation.position], f"<<{annotation.source}>>"]
        end = annotation.position
    return "".join([*parts, step.text[end:]])
