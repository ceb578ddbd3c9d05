"""Packed token ids are those of the text."""

import dataclasses

import pytest

from calculemus.errors import InvalidParameterError
from calculemus.problems.generated import Generated, Spec
from calculemus.problems.generated.pieces import cut

FORMS = ["question", "solution", "plain_solution", "equations", "program"]
LAYOUTS = [
    "{question}\n{solution}\n",
    "Q: {question}\nA: {solution}",
    "{program}|{equations} {plain_solution}",
]


def vocabulary_of(source: Generated, *texts: str) -> dict[str, int]:
    pieces = sorted({*source.pieces(), *(piece for text in texts for piece in cut(text))})
    return {piece: number for number, piece in enumerate(pieces)}


@pytest.mark.parametrize("level", range(1, 9))
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("language", ["en", "de"])
def test_packed_ids_are_those_of_the_cut_text(level: int, layout: str, language: str) -> None:
    changes = {"language": "de", "wording": "plain"} if language == "de" else {}
    source = Generated(dataclasses.replace(Spec.level(level), **changes))
    vocabulary = vocabulary_of(source, layout.replace("{", "").replace("}", " "), " |", "|", "Q: A:", " A")
    ids, starts = source.tokens(vocabulary, 30, start=5, form=layout)
    assert len(starts) == 31
    for place in range(30):
        item = source[5 + place]
        text = layout.format(**{form: getattr(item, form) for form in FORMS})
        wanted = [vocabulary[piece] for piece in cut(text)]
        assert ids[int(starts[place]) : int(starts[place + 1])].tolist() == wanted


def test_the_pieces_are_what_the_texts_are_made_of() -> None:
    source = Generated(Spec(steps=8, digits=3, ops="all", fan_in=3, order="shuffled", distractors=2))
    pieces = set(source.pieces())
    made = {piece for index in range(300) for form in FORMS for piece in cut(getattr(source[index], form))}
    assert made <= pieces
    # The others are rare words, or words that no sentence has first, or after a blank.
    assert len(made) > 0.6 * len(pieces)


def test_a_piece_that_the_vocabulary_lacks_is_named() -> None:
    source = Generated(Spec())
    vocabulary = vocabulary_of(source)
    del vocabulary[" apples"]
    with pytest.raises(InvalidParameterError, match="no piece ' apples'"):
        source.tokens(vocabulary, 1)


@pytest.mark.parametrize("layout", ["{story}", "A{question}"])
def test_a_layout_that_cannot_be_read_is_refused(layout: str) -> None:
    source = Generated(Spec())
    with pytest.raises(InvalidParameterError, match="parameter 'form'"):
        source.tokens(vocabulary_of(source, "A"), 1, form=layout)


def test_calculese_is_cut_from_text() -> None:
    source = Generated(Spec(language="calculese"))
    with pytest.raises(InvalidParameterError, match="'language' is 'calculese'"):
        source.tokens({}, 1)
