"""Sampling only where the model expects to do better, against a fixed number of samples.

The judge is the shipped model's copy that was trained to answer the question, made on first use; at the size
``smoke``, which must not train, and where a contrast says so, it is the truth with noise.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.cost import Cost
from calculemus.engine.base import Done, Engine, Job
from calculemus.engine.judged import Judge, JudgedEngine
from calculemus.engine.requests import Score, Scored
from calculemus.engine.virtual import plain_text
from calculemus.problems.problemset import ProblemSet
from calculemus.solving.oracle import noisy_truth
from calculemus.solving.self_evaluation import Question, question_for

TRAINED, NOISY, COIN = "the model itself, trained to judge", "the truth with noise", "noise alone"
NOISE = {TRAINED: 1.0, NOISY: 1.0, COIN: 1e6}
SHARPNESS = 3.0  # of the chance that a noisy value stands for

# All at one temperature, as a greedy first sample is better whoever judges. On other problems this
# took 3.1 samples on average with the trained judge.
ADAPTIVE = "adaptive_bon:n=16,enough=0.85,annealed=false,temperature=0.8"
ANNEALED = "adaptive_bon:n=16,enough=0.85,temperature=0.8"
ONE, THREE, ALL = (f"adaptive_bon:n={n},mode=all,temperature=0.8" for n in (1, 3, 16))
PRUNED = "adaptive_bon:n=16,mode=prune,every=24,temperature=0.8"
VOTE = "vote:n=3,temperature=0.8"

MAIN = Contrast("as many as it takes against the best of 3", THREE, ADAPTIVE, on=TRAINED)
CONTRASTS = (
    MAIN,
    Contrast("as many as it takes against one", ONE, ADAPTIVE, on=TRAINED),
    Contrast("as many as it takes against a vote of 3", VOTE, ADAPTIVE, on=TRAINED),
    Contrast("a rising temperature against a constant one", ADAPTIVE, ANNEALED, on=TRAINED),
    Contrast("the best of 16 against one", ONE, ALL, on=TRAINED),
    Contrast("16 that are pruned against 16 that are not", ALL, PRUNED, "equal", 0.08, on=TRAINED),
    Contrast("as many as it takes against the best of 3", THREE, ADAPTIVE, on=NOISY),
    Contrast("as many as it takes against the best of 3", THREE, ADAPTIVE, on=COIN),
)


class SelfJudged(JudgedEngine):
    """A model whose answer to the question about itself comes from a judge: a value above 1/2 says "no"."""

    def __init__(self, engine: Engine, judge: Judge, name: str) -> None:
        super().__init__(engine, judge, name)
        self._question: Question = question_for(engine.capabilities)
        self._own: list[Done] = []

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take jobs."""
        asked = [job for job in jobs if self._is_asked(job.request)]
        super().submit([job for job in jobs if not self._is_asked(job.request)])
        for job in asked:
            text = plain_text(job.request.prompt).removesuffix(self._question.text)  # type: ignore[union-attr]  # asked: scores
            logit = SHARPNESS * (2 * self._judge(text) - 1)
            chances = (1 / (1 + math.exp(max(-700.0, min(700.0, way * logit)))) for way in (1, -1))
            reply = tuple(Scored(None, (math.log(max(chance, 1e-300)),)) for chance in chances)
            self._own.append(Done(job.ticket, reply, Cost.zero()))

    def _is_asked(self, request: Any) -> bool:
        answers = (self._question.yes, self._question.no)
        return isinstance(request, Score) and request.continuations == answers

    def wait(self) -> list[Done]:
        """Return what is finished."""
        done, self._own = self._own, []
        return done or super().wait()


@cache
def trained() -> Engine:
    """Return the shipped model's copy that judges itself; it stays open for all arms."""
    from calculemus.engine.opening import EngineOptions  # torch: only where a model runs
    from calculemus.solving.opening import open_model

    return open_model("tiny+selfeval", EngineOptions())


def engine_of(on: str, lab: Lab, problems: ProblemSet) -> Engine:
    """Return the model with the judge of a contrast."""
    if on == TRAINED and lab.size != "smoke":
        return trained() if lab.size == "small" else lab.model()
    judge = noisy_truth(problems, NOISE[on])
    return SelfJudged(lab.model(), judge, f"the truth, noise {NOISE[on]}, as an answer")


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Solve problems that the shipped model gets right about every second time."""
    problems = lab.problems(smoke="generated:level=4,n=8", small="generated:level=4,n=200")
    return lab.solve(arm, problems, engine=engine_of(contrast.on, lab, problems))


CLAIM = Claim(CONTRASTS, control=MAIN.without_treatment(), measure=measure)
