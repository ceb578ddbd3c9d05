"""One form with several solutions against a vote of as many chains, and the names of its fields.

The shipped model cannot follow the form. So somebody fills it in with the model's own chains: as many
solutions as there are places, drawn as the vote draws them. Which one its review finds best is an assumption:
the one that most others agree with, by which the form cannot beat the vote, or the one that the model finds
most probable. What the form does to a model's reasoning shows only with a model that can write it (size
``real``). The algebra is an analogy: no syzygies are computed.
"""

import json
from collections.abc import Sequence
from dataclasses import replace

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.cost import Cost
from calculemus.engine.base import Done, Engine, Job
from calculemus.engine.requests import Capabilities, Completion, EngineRequest, Prefix, Sample, Sampling
from calculemus.engine.virtual import plain_text
from calculemus.grading.votes import extract_answer, group_equal
from calculemus.params import digest
from calculemus.rng import Rng
from calculemus.solving.syzygy_forms import NAMES, Names

CHAINS = "vote:n=5,temperature=0.7"
FORM = "syzygy:solutions=5"
PLAIN, MOST = f"{FORM},names=plain", f"{FORM},choose=vote"
METRIC = "right answers per 1,000 sampled tokens"

EQUAL_TOKENS = Contrast(
    "the form against a vote of chains, for the same number of tokens",
    CHAINS,
    FORM,
    metric=METRIC,
    on="tokens",
)
EQUAL_CHAINS = Contrast("the form against a vote of as many chains", CHAINS, FORM)
LIKELY = Contrast("the same, where the review takes the most probable solution", CHAINS, FORM, on="likely")
VOTED = Contrast(
    "there, the vote over the form's solutions against the one found best", FORM, MOST, on="likely"
)
WORDS = Contrast("the words of algebra against everyday words", PLAIN, FORM)


class Filler:
    """Fills in forms with chains of another engine.

    Args:
        engine: Draws the chains. It stays open when this one is closed.
        solutions: Places for solutions in a form.
        is_likely: Whether the review takes the most probable solution, not the one that most agree with.
    """

    def __init__(self, engine: Engine, solutions: int = 5, is_likely: bool = False) -> None:
        self._engine = engine
        self._is_likely = is_likely
        self._solutions = solutions
        self._jobs: dict[int, Job] = {}

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self._engine.name} behind a form"

    @property
    def digest(self) -> str:
        """Names by content what its replies depend on."""
        return digest([self._engine.digest, "form", self._solutions, self._is_likely])

    @property
    def capabilities(self) -> Capabilities:
        """Those of the engine; prompts are those for any model."""
        has = self._engine.capabilities
        facts = {**has.facts, "prompts": "default"}
        rows = max(1, has.rows // self._solutions)
        return replace(has, kinds=frozenset({"Sample"}), rows=rows, context=None, facts=facts)

    def count_tokens(self, request: EngineRequest) -> int | None:
        """Return None: the engine gets another prompt."""
        del request

    def submit(self, jobs: Sequence[Job]) -> None:
        """Have the chains of each form drawn."""
        self._engine.submit([self._chains(job) for job in jobs])
        self._jobs.update({job.ticket: job for job in jobs})

    def _chains(self, job: Job) -> Job:
        assert isinstance(job.request, Sample), "nothing else is among its capabilities"
        question = plain_text(job.request.prompt).partition("Problem: ")[2].partition("\n\n")[0]
        sampling = Sampling(temperature=0.7, max_tokens=512)
        seeds = Rng(job.seeds[0], ("form", question)).seeds(self._solutions)
        return Job(job.ticket, Sample(f"Q: {question}\nA:", sampling, self._solutions), seeds)

    def wait(self) -> list[Done]:
        """Return the forms that are filled in."""
        return [self._filled(done) for done in self._engine.wait()]

    def _filled(self, done: Done) -> Done:
        job = self._jobs.pop(done.ticket)
        if done.error is not None:
            return done
        assert isinstance(job.request, Sample), "nothing else is among its capabilities"
        prompt = plain_text(job.request.prompt)
        names = next(names for names in NAMES.values() if f'"{names.solutions}"' in prompt)
        text = write_form(names, done.reply, self._is_likely)
        completion = Completion(text, None, None, "stop", None, Prefix(prompt + text))
        return replace(done, reply=(completion,))

    def cancel(self, tickets: Sequence[int]) -> list[Done]:
        """Stop jobs."""
        return self._engine.cancel(tickets)

    def free_rows(self) -> int:
        """Return how many more forms it takes now."""
        return self._engine.free_rows() // self._solutions

    def close(self) -> None:
        """Forget what was not fetched."""
        self._jobs.clear()


def write_form(names: Names, chains: Sequence[Completion], is_likely: bool) -> str:
    """Write chains into the form, and one of them as the best."""
    texts = [chain.text.strip() for chain in chains]
    best = most_probable(chains) if is_likely else most_agreed(texts)
    fields = {
        names.solutions: {f"{names.solution}{number}": text for number, text in enumerate(texts, 1)},
        names.review: {names.analysis: "the likeliest", names.best: texts[best]},
        names.final: texts[best].rpartition("####")[2].strip(),
    }
    return json.dumps(fields)


def most_probable(chains: Sequence[Completion]) -> int:
    """Return the chain with the highest mean log-probability."""

    def mean(chain: Completion) -> float:
        logprobs = chain.logprobs or (0.0,)
        return sum(logprobs) / len(logprobs)

    return max(range(len(chains)), key=lambda index: mean(chains[index]))


def most_agreed(texts: Sequence[str]) -> int:
    """Return the first of the texts whose answer most others have."""
    groups = group_equal([extract_answer(text) for text in texts])
    return max(groups, key=len)[0] if groups else 0


def per_thousand_tokens(correct: bool, cost: Cost) -> float:
    """Return what 1,000 sampled tokens bring."""
    return 1000 * correct / max(1, (cost.tokens_out or 0) + (cost.tokens_discarded or 0))


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Solve problems that the shipped model gets right about every second time."""
    problems = lab.problems(smoke="generated:level=4,n=16", small="generated:level=4,n=300")
    metric = per_thousand_tokens if contrast.on == "tokens" else None
    if lab.size == "real" or arm == CHAINS:
        return lab.solve(arm, problems, metric=metric)
    return lab.solve(
        arm, problems, metric=metric, engine=Filler(lab.model(), is_likely=contrast.on == "likely")
    )


CLAIM = Claim(
    (EQUAL_TOKENS, EQUAL_CHAINS, LIKELY, VOTED, WORDS),
    control=EQUAL_TOKENS.without_treatment(),
    measure=measure,
)
