"""The generator as a sequence: item i depends on spec, split, seed and i, and on nothing else."""

from array import array
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import count
from typing import Literal, get_args

from calculemus.errors import InvalidParameterError, ProblemError
from calculemus.params import digest
from calculemus.problems.generated.draft import Draft, Drawer
from calculemus.problems.generated.item import Item
from calculemus.problems.generated.language import translate
from calculemus.problems.generated.lexicon import lexicon
from calculemus.problems.generated.plot import Plotter
from calculemus.problems.generated.spec import Spec
from calculemus.problems.generated.stream import Draw, Stream
from calculemus.problems.generated.teller import Teller
from calculemus.problems.generated.tokens import Packed, Packer, pieces_of
from calculemus.rng import Rng

Split = Literal["train", "iid", "numbers", "templates", "depth", "names"]
SPLITS: tuple[str, ...] = get_args(Split)
MOST_ATTEMPTS = 2_000  # a plot in eight belongs to the rarest split; hundreds in vain mean there is none


class Generated:
    """An endless sequence of problems.

    Example:
        >>> problems = Generated(Spec.level(1), "train", seed=0)
        >>> problems[3].question == Generated(Spec.level(1), "train", seed=0)[3].question
        True
    """

    def __init__(self, spec: Spec, split: Split = "train", seed: int = 0) -> None:
        if split not in SPLITS:
            raise InvalidParameterError(
                f"Generated: parameter 'split' is {split!r}; expected one of {', '.join(SPLITS)}"
            )
        self.spec = spec
        self.split: Split = split
        self.seed = seed
        self._key = key = Rng(seed).child("generated", spec.shape_digest, split)
        self.group = f"generated:{spec.shape_digest[:12]}:{split}:{seed}"
        self.name = f"generated:{digest(spec.params())[:12]}:{split}:{seed}"
        self._stream = Stream(key, "story")
        # Distractors and order draw from a stream of their own, so that the story under them stays the same.
        self._extras = Stream(key, "extras")
        self._plotter = Plotter(spec)
        self._drawer = Drawer(split)
        self._teller = Teller(spec, lexicon(spec.language, spec.wording, split))
        to_calculese = partial(translate, to="calculese")
        self.say: Callable[[str], str] | None = to_calculese if spec.language == "calculese" else None

    def __getitem__(self, index: int) -> Item:
        draw = self._stream.draws(index)
        draft = self._draft(index, draw)
        return Item(self, index, draft, self._teller.tell(draft, draw, self._extras, index))

    def __iter__(self) -> Iterator[Item]:
        return map(self.__getitem__, count())

    def draws(self, purpose: str, index: int) -> Draw:
        """Return numbers for something else that is made of an item, as its variants are."""
        return Stream(self._key, purpose).draws(index)

    def pieces(self) -> list[str]:
        """Return every piece of text that the problems may have, sorted: a vocabulary for ``tokens``."""
        return pieces_of(self.spec, self.split)

    def tokens(
        self, vocabulary: Mapping[str, int], n: int, start: int = 0, form: str = "{question}\n{solution}\n"
    ) -> Packed:
        """Return problems as token ids, without making their text.

        Args:
            vocabulary: The id of each piece of text, as ``pieces.cut`` cuts it.
            n: How many problems.
            start: The first.
            form: The layout: any text with ``{question}``, ``{solution}``, ``{plain_solution}``,
                ``{equations}`` and ``{program}`` in it.

        Raises:
            InvalidParameterError: A piece that the vocabulary lacks, a layout that cannot be read, or
                calculese, which is translated from text.
        """
        import numpy as np  # here, so that importing the package stays fast

        if self.say:
            raise InvalidParameterError(
                "tokens: parameter 'language' is 'calculese'; expected a language with sentences of its own. "
                "Cut the text of its items with pieces.cut"
            )
        packer = Packer(self.spec, self.split, vocabulary, form)
        ids, starts = array("I"), array("Q", [0])
        for index in range(start, start + n):
            draw = self._stream.draws(index)
            draft = self._draft(index, draw)
            packer.add(draft, packer.teller.tell(draft, draw, self._extras, index), ids)
            starts.append(len(ids))
        return Packed(np.frombuffer(ids, np.uint32), np.frombuffer(starts, np.uint64))

    def _draft(self, index: int, draw: Draw) -> Draft:
        """Draw the quantities of an item."""
        for _ in range(MOST_ATTEMPTS):
            plot = self._plotter.plot(draw)
            draft = self._drawer.draft(plot, draw) if plot else None
            if draft:
                return draft
        raise ProblemError(
            f"generating problem {index}: none of {MOST_ATTEMPTS} tries of {self.spec} fell in the split "
            f"'{self.split}'; expected one. Allow more digits or operations, or take another split"
        )
