"""Dictionary insertion prompting: English words behind the words of a question in another language."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated

from calculemus.curating.base import Transform
from calculemus.curating.glossing import Glossed, Glosser, Order, Segment
from calculemus.curating.word_list import CALCULESE, WordList, read_word_list
from calculemus.errors import InvalidParameterError
from calculemus.events import note
from calculemus.params import Between
from calculemus.problem import Problem

INSTRUCTION = "First say the question in English, with the help of the words in brackets. Then solve it."
LEAST_COVERAGE = 0.05
ENOUGH_WORDS = 20
"""Words after which too little coverage is worth a warning."""


@dataclass(frozen=True)
class Dip(Transform):
    """Put the English word from a word list behind each word of a question.

    Source: Lu et al. 2024, arXiv:2411.01141, section 3. ``dip:inner=cot`` has any solver answer such
    questions. Numbers, formulas and words that the list lacks stay as they are; the longest phrase that it
    has counts. The form of what is inserted is ours: ``apfel [apple]``.

    Attributes:
        dictionary: ``calculese``, or a text file with a phrase, a tab and its English sense in each line.
        order: Where the English words go: behind each word (the paper's choice), or as a list before or
            behind the question.
        all_senses: Write all senses of a word with bars between, not the first alone.
        segment: How words are found; ``auto`` cuts scripts without spaces by the longest entry.
        instruct: Ask to say the question in English first; only where something was inserted.
        share: Share of the list that is used, to see what coverage is worth.
        shuffled: Deal the English words out wrongly: a control.

    Example:
        >>> [glossed] = Dip(instruct=False).apply(Problem("p", "Tom ga 12 vuledai zeres.", "12"))
        >>> glossed.question
        'Tom ga 12 vuledai [apples] zeres [has].'
    """

    dictionary: str = CALCULESE
    order: Order = "interleave"
    all_senses: bool = False
    segment: Segment = "auto"
    instruct: bool = True
    share: Annotated[float, Between(0, 1)] = 1.0
    shuffled: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            read_word_list(self.dictionary)
        except InvalidParameterError as error:
            raise InvalidParameterError(
                f"Dip: parameter 'dictionary' is {self.dictionary!r}; expected a word list: {error}"
            ) from error

    @property
    def words(self) -> WordList:
        """The part of the word list that is used."""
        whole = read_word_list(self.dictionary)
        return _part(whole, self.share, self.shuffled) if self.share < 1 or self.shuffled else whole

    @property
    def reads(self) -> str:
        """Name the word list by its content."""
        return read_word_list(self.dictionary).digest

    @property
    def glosser(self) -> Glosser:
        """What puts the words in, and takes them out."""
        instruction = INSTRUCTION if self.instruct else ""
        return Glosser(self.words, self.order, self.all_senses, self.segment, instruction)

    def apply(self, problem: Problem) -> Sequence[Problem]:
        """Return the problem with English words in its question; ``meta`` says how many words have one."""
        glossed = self.glosser.gloss(problem.question)
        if glossed.words >= ENOUGH_WORDS and self.share == 1:
            _warn_once(self.dictionary, glossed)
        told = {"dip": {"words": glossed.words, "found": glossed.found, "coverage": glossed.coverage}}
        return [replace(problem, question=glossed.text, meta={**problem.meta, **told})]

    def restore(self, question: str) -> str:
        """Return the question from which ``apply`` made this one, byte for byte."""
        return self.glosser.restore(question)

    def coverage(self, questions: Iterable[str]) -> float:
        """Return the share of all words that have an English one, and warn where it is too small."""
        glosser = self.glosser
        glossed = [glosser.gloss(question) for question in questions]
        total = Glossed("", sum(g.words for g in glossed), sum(g.found for g in glossed))
        warn(self.dictionary, total)
        return total.coverage


@lru_cache(maxsize=64)
def _part(whole: WordList, share: float, is_shuffled: bool) -> WordList:
    return whole.part(share, is_shuffled)


_warned: set[str] = set()


def _warn_once(dictionary: str, glossed: Glossed) -> None:
    """Warn of a word list once in a process: a set of problems would say the same a thousand times."""
    if dictionary not in _warned and warn(dictionary, glossed):
        _warned.add(dictionary)


def warn(dictionary: str, glossed: Glossed) -> bool:
    """Say so where a word list knows next to nothing of a text; return whether that is so."""
    is_little = bool(glossed.words) and glossed.coverage < LEAST_COVERAGE
    if is_little:
        note(
            f"dip: the word list '{dictionary}' has {glossed.found} of {glossed.words} words; expected more "
            f"than {LEAST_COVERAGE:.0%}. Its columns may be the wrong way round: the language of the "
            "question comes first"
        )
    return is_little
