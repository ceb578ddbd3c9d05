"""Searches with and without merging, for a player who says every step in four ways and for the shipped model.

The player has a fair judge, and embeddings in which what means the same lies close together. The shipped
model is led by the truth with some noise, and merged by the results of its steps or by its own embeddings.
"""

import math

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.cost import Cost
from calculemus.engine.judged import JudgedEngine
from calculemus.engine.scripted import ScriptedEngine
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.rng import Rng
from calculemus.solving.oracle import noisy_truth

PLAYER, MODEL = "a player of four voices", "the shipped model"
VOICES = ("I", "We", "You", "They")
STEPS, SKILL = 4, 0.5
TOKENS = "sampled tokens"
NOISE = {PLAYER: 0.15, MODEL: 0.5}

BEST = "fetch:strategy=best_first,children=8,values=unit"
TREE = "fetch:strategy=mcts,values=unit"
PLAIN = f"{BEST},distance=0"
RESULT, EMBEDDED = f"{BEST},merge=result", BEST


def _pair(baseline: str, treatment: str, words: str, who: str) -> tuple[Contrast, Contrast]:
    return (
        Contrast(f"{words}, {who}", baseline, treatment, "lower", metric=TOKENS, on=f"{who}, {TOKENS}"),
        Contrast(f"{words}, {who}", baseline, treatment, "equal", margin=0.05, on=who),
    )


CONTRASTS = (
    *_pair(PLAIN, BEST, "best-first search with merging against without", PLAYER),
    *_pair(f"{TREE},distance=0", TREE, "simulations with merging against without", PLAYER),
    *_pair(PLAIN, RESULT, "best-first search, equal results merged, against not", MODEL),
    *_pair(PLAIN, EMBEDDED, "best-first search, near embeddings merged, against not", MODEL),
)


def play(prompt: str, seed: int) -> str:
    """Go right or wrong in one of the voices, step by step, and give the answer to which the steps led."""
    said, lines = prompt.rpartition("A:")[2], list[str]()
    draws = Rng(seed, ("play",)).generator()
    for _ in range(STEPS - said.count("\n")):
        turn = "right" if draws.random() < SKILL else "wrong"
        lines.append(f"{VOICES[int(draws.integers(len(VOICES)))]} go {turn}.\n")
    n_wrong = (said + "".join(lines)).count("wrong")
    return "".join([*lines, f"#### {7 + n_wrong}\n"])


def judge(prompt: str) -> float:
    """Say how good it looks: the worse, the more often it went wrong, and noise."""
    said = prompt.rpartition("A:")[2]
    noise = NOISE[PLAYER] * float(Rng(0, ("judge", prompt)).generator().standard_normal())
    return 0.8 * 0.5 ** said.count("wrong") + noise


def embed(text: str) -> tuple[float, float]:
    """Return a direction: nearly the same for what means the same."""
    angle = 1.2 if "wrong" in text else 2.4 if "####" in text else 0.0
    voice = text.split()[0]
    angle += 0.02 * (VOICES.index(voice) if voice in VOICES else 0)
    return math.cos(angle), math.sin(angle)


def games(problems: ProblemSet) -> ProblemSet:
    """Return as many games as there are problems."""
    played = tuple(Problem(f"game/{number}", f"Game {number}?", "7") for number, _ in enumerate(problems))
    return ProblemSet("games", played)


def tokens(correct: bool, cost: Cost) -> float:
    """Return how many tokens were sampled."""
    del correct
    return float((cost.tokens_out or 0) + (cost.tokens_discarded or 0))


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Play games, or solve problems that the shipped model gets right about every second time."""
    metric = tokens if contrast.metric == TOKENS else None
    problems = lab.problems(smoke="generated:level=4,n=6", small="generated:level=4,n=100")
    if contrast.on.startswith(PLAYER):
        player = ScriptedEngine(play, values=judge, embeddings=embed, name=PLAYER)
        return lab.solve(arm, games(problems), metric=metric, engine=player)
    truth = noisy_truth(problems, NOISE[MODEL])
    engine = JudgedEngine(lab.model(), truth, f"the truth, noise {NOISE[MODEL]:g}")
    return lab.solve(arm, problems, metric=metric, engine=engine)


CLAIM = Claim(CONTRASTS, control=CONTRASTS[0].without_treatment(), measure=measure)
