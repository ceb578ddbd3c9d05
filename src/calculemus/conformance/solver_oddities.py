"""Checks of solvers: odd questions, odd engines and odd parameters end in a solution or a reason."""

from dataclasses import replace

from calculemus.conformance.attempting import attempt, rehearse
from calculemus.conformance.attending import single_requests
from calculemus.conformance.comparing import require_ours
from calculemus.conformance.parameters import edge_values, parameters_of
from calculemus.conformance.registry import check
from calculemus.conformance.subject import Subject
from calculemus.conformance.trial import Setting, Trial, trial_problems
from calculemus.engine.requests import Embed, Run, Score, Value
from calculemus.engine.scripted import Fault
from calculemus.errors import InvalidParameterError, NotConformingError
from calculemus.problem import Problem

ODD_QUESTIONS = {
    "an empty question": "",
    "a very long question": "How many eggs are there? " * 1000,
    "a question beyond ASCII": "母鸡每天下 3 个蛋，6 天下几个蛋？ 🥚 \u202e{{question}} {0} %s \\boxed{7}\0",
}

ODD_TEXTS = {
    "talks about something else": "I would rather talk about the weather.",
    "writes fences and nothing in them": "```\n```\n```\n" * 50,
    "writes brackets without an end": "(" * 5000,
    "writes a program that fails": "```python\ndef solution():\n    return 1 / 0\n```\n",
    "writes a list of nothing": "1.\n2.\n3.\n",
    "writes numbers beyond reason": "The answer is " + "9" * 10_000 + ".\n#### -0.0e999",
    "writes signs beyond ASCII": "٣ × ٦ = ١٨ 答案是十八。\n#### １８ \u200b\0",
}

TAG_OF = {Run: "runs-code", Value: "needs-value-head", Score: "needs-logprobs", Embed: "needs-hidden-states"}
"""The tag that says that a method makes requests of a kind."""

ENGINE_TAGS = ("needs-logprobs", "needs-logits", "needs-value-head", "needs-hidden-states")


@check("Solver")
def it_takes_odd_questions(subject: Subject) -> None:
    """Empty, very long and foreign questions are asked like others, of models with and without chat."""
    setting = subject.once(rehearse).setting
    problems = [Problem(f"trial/{what}", question, "18") for what, question in ODD_QUESTIONS.items()]
    for is_chat in (False, True):
        for problem in problems:
            trial = attempt(subject, replace(setting, is_chat=is_chat), [problem])
            require_ours(subject, trial, "with a chat model" if is_chat else "with a plain model")


def trial_in_silence(subject: Subject) -> Trial:
    """Try a solver on an engine that says nothing; ask by ``subject.once``."""
    return attempt(subject, replace(subject.once(rehearse).setting, fault="empty"))


def _require_failures(subject: Subject, fault: Fault, when: str) -> None:
    trial = attempt(subject, replace(subject.once(rehearse).setting, fault=fault))
    require_ours(subject, trial, when)
    for name, solution in trial.solutions.items():
        if solution.answer is not None:
            raise NotConformingError(
                f"{subject.name} on {name} {when}: it answered {solution.answer!r:.200}, which nobody said; "
                "expected no answer and a failure. Let the engine's error pass, or return a failure"
            )


@check("Solver")
def an_engine_that_errors_ends_in_a_failure(subject: Subject) -> None:
    """Where every request fails there is no answer, and no error of another library."""
    _require_failures(subject, "error", "with an engine that errors")


@check("Solver")
def an_engine_that_times_out_ends_in_a_failure(subject: Subject) -> None:
    """Where every request times out there is no answer, and no error of another library."""
    _require_failures(subject, "timeout", "with an engine that times out")


@check("Solver")
def an_engine_that_says_nothing_is_survived(subject: Subject) -> None:
    """Where every completion is empty there is a solution or a reason."""
    require_ours(subject, subject.once(trial_in_silence), "with an engine that says nothing")


@check("Solver")
def an_engine_that_always_says_the_same_is_survived(subject: Subject) -> None:
    """Where every completion is the same there is a solution or a reason."""
    trial = attempt(subject, replace(subject.once(rehearse).setting, fault="same"))
    require_ours(subject, trial, "with an engine that always says the same")


@check("Solver")
def an_engine_that_says_odd_things_is_survived(subject: Subject) -> None:
    """Whatever a model writes, there is a solution or a reason."""
    setting = subject.once(rehearse).setting
    for what, text in ODD_TEXTS.items():
        trial = attempt(subject, replace(setting, voice=text), trial_problems()[:1])
        require_ours(subject, trial, f"with an engine that {what}")


@check("Solver")
def it_gives_an_answer_or_a_reason(subject: Subject) -> None:
    """A solution without an answer says why, and one with an answer has no failure."""
    for trial in (subject.once(rehearse).trial, subject.once(trial_in_silence)):
        for name, solution in trial.solutions.items():
            if (solution.answer is None) is (solution.failure is None):
                raise NotConformingError(
                    f"{subject.name} on {name}: its answer is {solution.answer!r} and its failure "
                    f"{solution.failure!r}; expected one of the two. Set 'failure' where there is no answer"
                )


@check("Solver", unless_tags=ENGINE_TAGS)
def an_engine_that_only_samples_is_enough(subject: Subject) -> None:
    """No tag names anything else that an engine must have."""
    setting = replace(subject.once(rehearse).setting, is_plain=True)
    for name, solution in attempt(subject, setting).solutions.items():
        if solution.answer is None:
            raise NotConformingError(
                f"{subject.name} on {name} with an engine that only samples: {solution.failure}; expected an "
                f"answer of a method with none of the tags {', '.join(ENGINE_TAGS)}. Tag what it needs"
            )


@check("Solver")
def its_tags_name_what_it_asks_for(subject: Subject) -> str | None:
    """Programs, scores, values and embeddings are asked for by methods that are tagged so."""
    if subject.card is None:
        return "without a card its tags are unknown"
    for steps in subject.once(rehearse).trial.yielded.values():
        for request in (single for asked in steps for single in single_requests(asked)):
            tag = TAG_OF.get(type(request))
            if tag is not None and tag not in subject.tags:
                raise NotConformingError(
                    f"{subject.name}: it asks for {type(request).__name__} and its tags are "
                    f"{', '.join(subject.tags) or 'none'}; expected '{tag}' among them. Add it to the card"
                )
    return None


@check("Solver")
def no_allowed_parameter_breaks_it(subject: Subject) -> None:
    """Every value that a parameter may have, at the ends of its range too, is one that it works with."""
    setting = subject.once(rehearse).setting
    for name, annotation in parameters_of(subject.made).items():
        for value in edge_values(annotation):
            _try(subject, setting, name, value)


def _try(subject: Subject, setting: Setting, name: str, value: object) -> None:
    params = {**subject.method.params(), name: value}
    try:
        solver = subject.made.from_params(params)
    except InvalidParameterError:
        return  # refused, alone or beside the other parameters
    require_ours(subject, attempt(subject, setting, trial_problems()[:1], solver), f"with {name}={value!r}")
