"""A model that has learned to read English words in brackets, on questions in a language it does not know.

The language is a cipher: English word by word in the words of calculese. The model is the shipped one,
trained further on English questions and on questions in ciphers of their own, each with English words from
its own dictionary, in all three orders alike. So it learns to use a dictionary, never the words of a cipher.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.curating.glossing import Glosser, Order
from calculemus.curating.word_list import WordList
from calculemus.problem import Problem
from calculemus.problems.generated import Generated
from calculemus.problems.generated.language import dictionary
from calculemus.problems.problemset import ProblemSet
from calculemus.rng import Rng

if TYPE_CHECKING:
    from calculemus.engine.base import Engine

PLAIN, BETWEEN = "cot", "dip:instruct=no"
BEFORE, BEHIND = f"{BETWEEN},order=prepend", f"{BETWEEN},order=append"
HALF, WRONG = f"{BETWEEN},share=0.5", f"{BETWEEN},shuffled=yes"

CONTRASTS = (
    Contrast("English words between those of the cipher against none", PLAIN, BETWEEN),
    Contrast("between the words against behind the question", BEHIND, BETWEEN),
    Contrast("between the words against before the question", BEFORE, BETWEEN),
    Contrast("half of the dictionary against none of it", PLAIN, HALF),
    Contrast("the whole dictionary against half of it", HALF, BETWEEN),
    Contrast(
        "the cipher with English words against English itself", PLAIN, BETWEEN, "equal", 0.1, on="English"
    ),
)
CONTROL = Contrast("English words dealt out wrongly against none", PLAIN, WRONG)

ORDERS: tuple[Order, ...] = ("interleave", "prepend", "append")
STEPS = {"smoke": 1, "small": 100}
SIZES = {"smoke": 8, "small": 300}
LEVEL = 1

_WORD = re.compile(r"[^\W\d_]+")


def enciphered(question: str, forms: dict[str, str]) -> str:
    """Return a question with every English word that the cipher has replaced, capitals kept."""

    def replaced(found: re.Match[str]) -> str:
        word = found[0]
        form = forms.get(word) or forms.get(word.lower())
        if form is None:
            return word
        return form.capitalize() if word[0].isupper() else form

    return _WORD.sub(replaced, question)


@dataclass(frozen=True, slots=True)
class Told:
    """A problem whose question is told in another way."""

    question: str
    solution: str
    program: str


class Ciphers:
    """Problems whose questions stand in ciphers of their own, with English words.

    Args:
        source: Of the problems.
        order: Where the English words stand.
    """

    def __init__(self, source: Generated, order: Order) -> None:
        self._source = source
        self._order: Order = order
        self._words = sorted(dictionary().forms)

    def __getitem__(self, index: int) -> Told:
        item = self._source[index]
        draws = Rng(self._source.seed, ("dip", self._order, index)).generator()
        dealt = [dictionary().forms[self._words[place]] for place in draws.permutation(len(self._words))]
        forms = dict(zip(self._words, dealt, strict=True))
        glosser = Glosser(WordList.of((form, word) for word, form in forms.items()), self._order)
        return Told(glosser.gloss(enciphered(item.question, forms)).text, item.solution, item.program)


def reader(steps: int) -> "Engine":
    """Return the model that has learned to read with a dictionary; it is made once."""
    from calculemus.engine.torch_engine import TorchEngine  # torch is needed here alone
    from calculemus.tiny import MODEL
    from calculemus.tiny.data import Mixture
    from calculemus.tiny.relatives import Relative, make
    from calculemus.tiny.train import Recipe

    class Glossed(Mixture):
        """English, and ciphers with English words in every order."""

        def sources(self) -> list[Any]:
            """Return the source of English, then one of ciphers for each order."""
            (english,) = Mixture(levels=(LEVEL,)).sources()
            return [english, *(Ciphers(english, order) for order in ORDERS)]

    # One level for each source, so that each has its share.
    mixture = Glossed(levels=(LEVEL,) * 4, weights=(0.16, 0.28, 0.28, 0.28), programs=0.0)
    recipe = Recipe(steps=steps, rows=64, lr=3e-3, matrix_lr=5e-3, warmup=min(10, steps), cooldown=0.5)
    return TorchEngine(
        str(make("dip", Relative(mixture, recipe), MODEL)), name=f"tiny that learned dip, {steps}"
    )


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Solve the problems in the cipher, or in English where the baseline is."""
    if lab.size == "real":
        return lab.solve(arm, lab.problems(smoke="", small=""))
    name = f"generated:level={LEVEL},n={SIZES[lab.size]}"
    problems: Sequence[Problem] = list(lab.problems(smoke=name, small=name))
    if not (contrast.on == "English" and arm == PLAIN):
        forms = dictionary().forms
        problems = [replace(problem, question=enciphered(problem.question, forms)) for problem in problems]
    told = ProblemSet(f"dip_claim:{contrast.on or 'cipher'}", tuple(problems))
    return lab.solve(arm, told, engine=_reader(STEPS[lab.size]))


_reader = cache(reader)

CLAIM = Claim(CONTRASTS, control=CONTROL, measure=measure)
