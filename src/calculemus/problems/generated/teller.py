"""From quantities to words: who and what, which sentence, in which order.

A telling is a list of rows, one for each start, move and ending, each with the words for its slots. Question,
solutions and program are the same rows written with different sentences.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from calculemus.problems.generated.draft import Draft, Line, Step, is_held_out, joined_values
from calculemus.problems.generated.lexicon import Entry, Lexicon, Noun, Person
from calculemus.problems.generated.phrase import Words
from calculemus.problems.generated.plot import MONEY, PACKS, REUSES, TIMES
from calculemus.problems.generated.ranges import LEAST
from calculemus.problems.generated.spec import Spec
from calculemus.problems.generated.stream import Draw, Stream

_JOINS = {"together": "together", "sum": "together", "apart": "apart", "difference": "apart"}
_UNCLEAR = ("part", "ratio", "unpack", "convert")  # sentences after which "she" could be anyone
_LEAVES_REST = ("lose", "spend", "keep", "save", "left")

# The sentences of a move, which of them tells it (below 0: none), the words, and whether it is a step.
Row = tuple[Entry, int, Words, bool]


class Telling(NamedTuple):
    """A problem ready to be written.

    Attributes:
        rows: In the order of the story.
        shown: The rows of the question, distractors too, in its order.
        ordinals: What says of each sentence in ``shown`` which it was; empty where the order is clear.
    """

    rows: list[Row]
    shown: list[Row]
    ordinals: list[str]


class Teller:
    """Tells drafts as a spec asks, with the words of a split.

    Attributes:
        lexicon: The words.
        number: Writes a number; ``str``, or what gives its tokens.
        join: Makes a name of a program from two words, or from their tokens.
    """

    def __init__(
        self,
        spec: Spec,
        words: Lexicon,
        number: Callable[[int], Any] = str,
        join: Callable[[Any, Any], Any] = "{}_{}".format,
    ) -> None:
        self.lexicon = words
        self.number = number
        self.join = join
        self.distractors = spec.distractors
        self.is_shuffled = spec.order == "shuffled"
        self.refers = spec.reference != "explicit" and not self.is_shuffled
        self.has_rest = spec.reference == "rest"
        self.top = 10**spec.digits - 1

    def tell(self, draft: Draft, draw: Draw, extras: Stream, index: int) -> Telling:
        """Draw a telling of a draft.

        Args:
            draft: The quantities.
            draw: Who, what, and which sentences.
            extras: What distracts, and the order, by index.
            index: Of the problem.
        """
        told = _Told(self, draft, draw)
        if self.distractors or self.is_shuffled:
            told.extra = extras.draws(index)
        return told.telling()


class _Told:
    """One telling while it is made."""

    __slots__ = (
        "draft",
        "draw",
        "extra",
        "later_shown",
        "lexicon",
        "next_pack",
        "next_person",
        "next_thing",
        "pack",
        "people",
        "person",
        "rest",
        "rows",
        "shown",
        "strangers",
        "subject",
        "teller",
        "thing",
        "things",
    )

    def __init__(self, teller: Teller, draft: Draft, draw: Draw) -> None:
        self.lexicon = lexicon = teller.lexicon
        self.teller = teller
        self.draft = draft
        self.draw = self.extra = draw
        count = len(lexicon.people)
        self.person = draw() * count >> 32
        self.next_person = 1 + (draw() * (count - 1) >> 32)
        count = len(lexicon.things)
        self.thing = draw() * count >> 32
        self.next_thing = 1 + (draw() * (count - 1) >> 32)
        count = len(lexicon.packs)
        self.pack = draw() * count >> 32
        self.next_pack = 1 + (draw() * (count - 1) >> 32)
        self.things = draft.things
        self.people: list[Person] = []
        self.rows: list[Row] = []
        self.shown: list[Row] = []
        self.subject: Person | None = None
        self.rest = False
        self.later_shown: list[int] = []
        self.strangers = 0

    def telling(self) -> Telling:
        """Return all rows, in order and with what distracts from them."""
        draft = self.draft
        if self.teller.distractors:
            count = sum(1 + len(line.steps) for line in draft.lines)
            places = [1 + (self.extra() * (count - 1) >> 32) for _ in range(self.teller.distractors)]
            self.later_shown = sorted(places, reverse=True)
        ends = [self.line(line) for line in draft.lines]
        if draft.ending:
            self.ending(ends)
        ordinals = self.shuffle() if self.teller.is_shuffled else []
        return Telling(self.rows, self.shown, ordinals)

    def new_person(self) -> Person:
        """Return someone who has not been named."""
        people, met = self.lexicon.people, self.people
        person = people[(self.person + len(met) * self.next_person) % len(people)]
        met.append(person)
        return person

    def noun(self, noun: int) -> Noun:
        """Return the word for a noun."""
        lexicon = self.lexicon
        if noun < PACKS:
            return lexicon.things[(self.thing + noun * self.next_thing) % len(lexicon.things)]
        if noun < MONEY:
            return lexicon.packs[(self.pack + noun * self.next_pack) % len(lexicon.packs)]
        return lexicon.money if noun == MONEY else lexicon.times[noun - TIMES]

    def show(self, entry: Entry, words: Words, is_step: bool) -> None:
        """Add a row to story and question, after the distractors that are due before it."""
        while self.later_shown and self.later_shown[-1] <= len(self.rows):
            self.later_shown.pop()
            self.distract()
        row = (entry, self.draw() * len(entry.tells) >> 32, words, is_step)
        self.rows.append(row)
        self.shown.append(row)

    def line(self, line: Line) -> tuple[Person, Person, str, str]:
        """Tell a line of the story; return its last two people, and their names in the program."""
        entries = self.lexicon.entries
        owner = before = self.new_person()
        noun = self.noun(line.noun)
        name = variable = self.teller.join(owner.slug, noun.slug)
        first, later = owner.first, owner.later
        value = self.teller.number(line.value)
        words = (first, first, "", later, later, "", "", "", noun.plural, noun.singular, "", "", "", "", "",
                 "", value, "", variable, "", "")  # fmt: skip
        self.show(entries["start_time" if line.kind == "time" else "start"], words, False)
        self.subject = owner
        self.rest = False
        for step in line.steps:
            name, before = variable, owner
            owner, noun, variable = self.step(step, owner, noun, variable)
        return before, owner, name, variable

    def step(self, step: Step, owner: Person, noun: Noun, variable: str) -> tuple[Person, Noun, str]:
        """Tell a move; return who has what after it, and its name in the program."""
        move, x, b, c, y, before, after, pack = step
        teller = self.teller
        if self.later_shown and self.later_shown[-1] <= len(self.rows):
            self.subject = None  # a distractor comes between, and "she" would be unclear
        new, following = owner, noun
        if move.owner != "same":
            new = self.new_person() if move.owner == "new" else self.lexicon.friend
        if before != after:
            following = self.noun(after)
        name = teller.join(new.slug, following.slug)
        number = teller.number
        first, later, things = owner.first, owner.later, noun.object
        if teller.refers and self.subject is not None:
            things = noun.rest if self.rest and teller.has_rest else noun.pronoun
            if self.subject is owner:
                first, later = owner.first_pronoun, owner.later_pronoun
        words = (first, owner.first, new.first, later, owner.later, new.later, "", things, noun.plural,
                 noun.singular, following.plural, following.singular, self.noun(pack).plural if pack else "",
                 number(b), number(c), number(x), number(y), variable, name, "", "")  # fmt: skip
        self.show(self.lexicon.entries[move.id], words, True)
        self.subject = None if move.id in _UNCLEAR or move.owner == "friend" else new
        self.rest = move.id in _LEAVES_REST
        return new, following, name

    def ending(self, ends: list[tuple[Person, Person, str, str]]) -> None:
        """Tell the step that joins quantities."""
        draft = self.draft
        last = draft.lines[-1].steps[-1]
        noun = self.noun(last[6])
        who = [(person, name) for _, person, _, name in ends]
        if draft.ending in REUSES:
            first, second, name, variable = ends[0]
            who = [(first, name), (second, variable)]
        values = joined_values(draft.lines, draft.ending)
        joined = [(person, name, value) for (person, name), value in zip(who, values, strict=True)]
        kind = _JOINS[draft.ending]
        slug = self.lexicon.total
        if kind == "apart":
            # The sentence asks how many more the second has.
            joined.sort(key=lambda part: part[2])
            slug = self.lexicon.excess
        people = [person for person, _, _ in joined]
        terms = joined[::-1] if kind == "apart" else joined
        names = [name for _, name, _ in terms] + [""]
        number = self.teller.number
        shown = [number(value) for _, _, value in terms] + [""]
        third = people[2].later if len(people) > 2 else ""
        p, q = people[0], people[1]
        words = (p.first, p.first, q.first, p.later, p.later, q.later, third, "", noun.plural, noun.singular,
                 noun.plural, noun.singular, "", shown[1], shown[2], shown[0], number(draft.answer), names[0],
                 self.teller.join(slug, noun.slug), names[1], names[2])  # fmt: skip
        entry = self.lexicon.entries[kind + ("_three" if third else "")]
        self.rows.append((entry, -1, words, True))

    def distract(self) -> None:
        """Show a sentence with a number that nothing depends on: someone's things of another kind."""
        draw = self.extra
        known = self.people
        if draw() >> 31:
            person = known[draw() * len(known) >> 32]
        else:
            # From the far end of the row of people, so that the story keeps its own.
            people, self.strangers = self.lexicon.people, self.strangers + 1
            person = people[(self.person - self.strangers * self.next_person) % len(people)]
        noun = self.noun(self.things)
        self.things += 1
        number = LEAST + (draw() * (self.teller.top - LEAST + 1) >> 32)
        if is_held_out(number):
            number //= 2
        first, later = person.first, person.later
        words = (first, first, "", later, later, "", "", "", noun.plural, noun.singular, "", "", "",
                 self.teller.number(number), "", "", "", "", "", "", "")  # fmt: skip
        entry = self.lexicon.entries["distractor"]
        self.shown.append((entry, draw() * len(entry.tells) >> 32, words, False))

    def shuffle(self) -> list[str]:
        """Bring sentences into any order, and return the words that say what the order was."""
        ordinals, draw = self.lexicon.ordinals, self.extra
        order = list(range(len(self.shown)))
        for place in range(len(order) - 1, 0, -1):
            other = draw() * (place + 1) >> 32
            order[place], order[other] = order[other], order[place]
        self.shown[:] = [self.shown[place] for place in order]
        return [ordinals[place] for place in order]
