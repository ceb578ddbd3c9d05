"""The grid of thoughts and search on the shipped model, with a verifier that knows the truth up to noise.

Thoughts are written here, a worked solution against the answer at once: no model with hidden ones is made
yet. A unit is a problem.
"""

from calculemus.claim import Claim, Contrast, Lab, Measured, Metric
from calculemus.cost import Cost
from calculemus.engine.base import Engine
from calculemus.engine.judged import JudgedEngine
from calculemus.solving.inference_scaling import InferenceScaling, gain
from calculemus.solving.oracle import noisy_truth

STUDY = InferenceScaling()
NEITHER, SEARCH, THOUGHTS, BOTH = (f"inference_scaling: {cell}" for cell in STUDY.cells())
GAIN, GAIN_THINKING = "what search brings without thoughts", "what search brings with thoughts"
NOISE = {"a fair verifier": 0.5, "a poor verifier": 2.0}
FAIR, POOR = NOISE

MAIN = Contrast("thoughts and search against thoughts alone", THOUGHTS, BOTH, "lower", on=FAIR)
_GAINS = "accuracy with search less accuracy without"
CONTRASTS = (
    MAIN,
    Contrast("interaction: what search brings", GAIN, GAIN_THINKING, "lower", metric=_GAINS, on=FAIR),
    Contrast("search alone against neither", NEITHER, SEARCH, on=FAIR),
    Contrast("thoughts alone against neither", NEITHER, THOUGHTS, on=FAIR),
    Contrast("thoughts and search, a poor verifier, against thoughts", THOUGHTS, BOTH, "lower", on=POOR),
    Contrast("interaction, a poor verifier", GAIN, GAIN_THINKING, "lower", metric=_GAINS, on=POOR),
    Contrast("both against thoughts alone", THOUGHTS, BOTH, "lower", metric="seconds", on=f"{FAIR}, seconds"),
    Contrast("both against thoughts alone", THOUGHTS, BOTH, "lower", metric="GFLOPs", on=f"{FAIR}, FLOPs"),
)


def _seconds(correct: bool, cost: Cost) -> float:
    del correct
    return cost.seconds_engine or 0.0


def _gflops(correct: bool, cost: Cost) -> float:
    del correct
    return (cost.flops or 0.0) / 1e9


METRICS: dict[str, Metric] = {"seconds": _seconds, "GFLOPs": _gflops}
CELLS = dict(zip((NEITHER, SEARCH, THOUGHTS, BOTH), STUDY.cells(), strict=True))


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Solve problems that the shipped model gets right about every second time when it thinks."""
    if arm in (GAIN, GAIN_THINKING):
        pair = (NEITHER, SEARCH) if arm == GAIN else (THOUGHTS, BOTH)
        before, after = (measure(cell, contrast, lab) for cell in pair)
        return Measured(gain(before.outcomes, after.outcomes), before.cost + after.cost)
    problems = lab.problems(smoke="generated:level=4,n=6", small="generated:level=4,n=120")
    sigma = NOISE[contrast.on.partition(",")[0]]

    def judged(engine: Engine) -> Engine:
        return JudgedEngine(engine, noisy_truth(problems, sigma), f"the truth, noise {sigma}")

    return STUDY.measure(CELLS[arm], lab, problems, judged=judged, metric=METRICS.get(contrast.metric))


CLAIM = Claim(CONTRASTS, control=MAIN.without_treatment(), measure=measure)
