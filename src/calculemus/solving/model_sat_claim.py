"""Routing by capability profiles against the best single model, chance and an oracle, with known skills.

The models are simulated: each is right on a kind of question with a known probability, so the best choice
for each question is known. A fifth one is new: the router was learned without it, and it brings a profile
alone. On a user's endpoints the same is done by ``calculemus profile-models`` and ``model_sat``.
"""

import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.engine.base import Engine
from calculemus.engine.routed import RoutedEngine
from calculemus.engine.scripted import ScriptedEngine
from calculemus.params import digest
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.rng import Rng
from calculemus.solving.aptitude import TASK, Answered, AptitudeTest
from calculemus.solving.routing import Router

TOPICS = {
    "trade": "A shop sells {a} loaves at {b} coins each. How many coins does it take in?",
    "travel": "A train goes {a} km an hour for {b} hours. How far does it travel?",
    "ages": "Ida is {a} years old, and Leo is {b} years older. How old is Leo?",
    "shares": "{a} friends share {b} sweets evenly among them. How many does each friend get?",
    "areas": "A garden is {a} metres long and {b} metres wide. What is its area?",
    "percent": "Of {a} pupils, {b} percent walk to school. How many pupils walk?",
}
SKILLS = {
    "trader": (0.95, 0.30, 0.60, 0.40, 0.30, 0.50),
    "driver": (0.30, 0.90, 0.50, 0.30, 0.70, 0.20),
    "uncle": (0.40, 0.30, 0.95, 0.80, 0.20, 0.40),
    "generalist": (0.65, 0.60, 0.65, 0.60, 0.60, 0.60),
}
NEW = {"banker": (0.70, 0.20, 0.30, 0.30, 0.30, 0.95)}
SHOTS = 20  # paper: 20 answers for each task
SIZES = {"smoke": 60, "small": 600}

BEST, ROUTER, CHANCE = "choose=best", "choose=router", "choose=random"
ORACLE = "an oracle"
ROUTED = Contrast("the router against the best single model", f"model_sat:{BEST}", f"model_sat:{ROUTER}")
CONTRASTS = (
    ROUTED,
    Contrast("the router against a model at random", f"model_sat:{CHANCE}", f"model_sat:{ROUTER}"),
    Contrast("the router against an oracle", ORACLE, f"model_sat:{ROUTER}", "equal", 0.05),
    Contrast("with a new model that has a profile alone, against without it",
             f"model_sat:{ROUTER}", f"model_sat:{ROUTER},new", on="new"),
)  # fmt: skip
SAME = Contrast("a model at random against another draw", f"model_sat:{CHANCE}", f"model_sat:{CHANCE}")


def questions(purpose: str, n: int) -> list[Problem]:
    """Return questions of all topics in turn; the answer is a number that only the simulated models know."""
    made: list[Problem] = []
    for index in range(n):
        topic = list(TOPICS)[index % len(TOPICS)]
        draws = Rng(0, ("model_sat", purpose, index)).generator()
        a, b = (int(number) for number in draws.integers(2, 10_000, 2))
        text = TOPICS[topic].format(a=a, b=b)
        made.append(Problem(f"{purpose}/{index}", text, str(a + b), meta={TASK: topic}))
    return made


def simulated(name: str) -> ScriptedEngine:
    """Return a model of known skills."""
    skills = dict(zip(TOPICS, (SKILLS | NEW)[name], strict=True))

    def answer(prompt: str, seed: int) -> str:
        del seed
        question = prompt.rpartition("Q: ")[2]
        topic = next(topic for topic, text in TOPICS.items() if text.rpartition("}")[2].strip() in question)
        numbers = [int(word) for word in question.replace(",", " ").split() if word.isdecimal()]
        is_right = Rng(0, ("skill", name, question)).generator().random() < skills[topic]
        return f"#### {sum(numbers) if is_right else -1}"

    return ScriptedEngine(answer, name=name)


@cache
def aptitude_test() -> AptitudeTest:
    """Return the test."""
    return AptitudeTest.of(questions("test", SHOTS * len(TOPICS)), SHOTS)


@cache
def taken(name: str) -> Answered:
    """Return how a model did in the test."""
    return aptitude_test().take(simulated(name), name)


@cache
def learned(names: Sequence[str] = tuple(SKILLS)) -> Router:
    """Return a router that learned from some models on questions that are not in the test."""
    test = AptitudeTest.of(questions("train", SHOTS * len(TOPICS)), SHOTS)
    asked = {p.id: p.question for told in test.tasks.values() for p in told}
    right = {name: test.take(simulated(name), name).right for name in names}
    return Router.learn(aptitude_test(), [taken(name) for name in names], asked, right)


def oracle(problems: Sequence[Problem]) -> dict[str, tuple[float, ...]]:
    """Return how the model that is best at each topic does."""
    best = {topic: max(SKILLS, key=lambda name: SKILLS[name][place]) for place, topic in enumerate(TOPICS)}
    outcomes: dict[str, tuple[float, ...]] = {}
    for name in sorted(set(best.values())):
        mine = [problem for problem in problems if best[problem.meta[TASK]] == name]
        right = AptitudeTest({"all": tuple(mine)}).take(simulated(name)).right
        outcomes |= {problem.id: (float(right[problem.id]),) for problem in mine}
    return {problem.id: outcomes[problem.id] for problem in problems}


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Answer questions that no router has seen."""
    problems = questions("deployed", SIZES.get(lab.size, SIZES["small"]))
    if arm == ORACLE:
        return Measured({name: figures * len(lab.seeds) for name, figures in oracle(problems).items()})
    router = learned()
    members: dict[str, Engine] = {name: simulated(name) for name in SKILLS}
    if arm.endswith(",new"):
        for name in NEW:
            router = router.joined(taken(name).profile)
            members[name] = simulated(name)
    settings = arm.partition(":")[2].removesuffix(",new")
    path = _written(router)
    told = ProblemSet(f"model_sat_claim:{contrast.on}", tuple(problems))
    return lab.solve(f"model_sat:profiles={path},{settings}", told, engine=RoutedEngine(members))


def _written(router: Router) -> Path:
    """Write a router to a file that is named by what is in it, so that a run is found again; return where."""
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / "router.json"
        router.write(first)
        name = digest(first.read_text("utf-8"))
    path = Path(tempfile.gettempdir()) / "calculemus-routers" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    router.write(path)
    return path


CLAIM = Claim(CONTRASTS, control=SAME, measure=measure)
