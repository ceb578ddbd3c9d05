"""What a search asks for between its words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.errors import InvalidParameterError
from calculemus.search import Filter, parse_query


@given(st.permutations(["merge", "models", "room:merging", "after:2024-06", "needs:logits"]))
def test_filters_may_stand_anywhere_between_the_words(parts: list[str]) -> None:
    words, filters = parse_query(" ".join(parts))
    assert sorted(words.split()) == ["merge", "models"]
    assert {str(condition) for condition in filters} == {"room:merging", "after:2024-06", "needs:logits"}


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("ROOM:Merging", "room", "merging"),
        ('status:"claim holds"', "status", "claim holds"),
        ("status:claim-does-not-hold", "status", "claim does not hold"),
        ("interface:tensormerge", "interface", "TensorMerge"),
        ("feed:GSM8K", "feed", "gsm8k"),
        ("needs:Hidden-States", "needs", "hidden-states"),
        ("needs:needs-logits", "needs", "logits"),
        ("paper:arXiv:2306.01708v2", "paper", "2306.01708"),
        ("paper:https://arxiv.org/abs/2306.01708", "paper", "2306.01708"),
        ("before:2024", "before", "2024"),
    ],
)
def test_values_are_read_as_the_cards_write_them(text: str, kind: str, value: str) -> None:
    assert parse_query(text) == ("", (Filter(kind, value),))


@pytest.mark.parametrize(
    "text", ["note: well", "https://arxiv.org", "a:b", "room:", 'room:""', "pre-room:merging", "::", ":)"]
)
def test_other_colons_are_words(text: str) -> None:
    assert parse_query(text) == (text, ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "room:merge",
            "searching: found the filter room:merge; did you mean merging? expected one of solving, ",
        ),
        (
            "status:done",
            "searching: found the filter status:done; expected one of planned, built, claim-holds, ",
        ),
        ("after:June", "searching: found the filter after:June; expected YYYY, YYYY-MM or YYYY-MM-DD"),
        ("after:2024-13", "searching: found the filter after:2024-13; expected YYYY, YYYY-MM or YYYY-MM-DD"),
        ("paper:ties", "searching: found the filter paper:ties; expected the number of a preprint"),
    ],
)
def test_a_value_that_cannot_be_is_named(text: str, message: str) -> None:
    with pytest.raises(InvalidParameterError) as caught:
        parse_query(f"merge {text}")
    assert str(caught.value).startswith(message)
