"""JSON as models write it: whole, broken in every place, or none at all."""

import json
import string
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.errors import ParseError
from calculemus.solving.json_reading import read_object

TEXTS = st.text(alphabet=string.ascii_letters + string.digits + " .=+#\\\n\"'é", max_size=20)
VALUES = st.recursive(
    TEXTS | st.integers(-(10**9), 10**9) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4)
FORMULA = {"a": "line\nline", "b": "\\frac{1}{2} \\text{m}\nend"}
FORM = {"a": {"x1": "3 * 6 = 18", "x2": "so #### 18"}, "b": ["one", "two"], "c": 18, "d": "the end"}


@given(OBJECTS)
def test_json_as_the_standard_has_it_reads_as_the_standard_reads_it(value) -> None:
    text = json.dumps(value)
    for written in (text, f"Sure, here it is:\n```json\n{text}\n```\nI hope this helps."):
        assert read_object(written, "reading") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'a': 'it''s'}", {"a": "it''s"}),
        ('{"a": "he said "no" to it", "b": 2}', {"a": 'he said "no" to it', "b": 2}),
        ("{a: 1, b: two words, c: True}", {"a": 1, "b": "two words", "c": True}),
        ('{"a": 1,, "b": [1, 2,],}', {"a": 1, "b": [1, 2]}),
        ('{"a": "x"\n"b": "y"}', {"a": "x", "b": "y"}),
        ('{"a": "line\nline", "b": "\\frac{1}{2} \\text{m}\\nend"}', FORMULA),
        ("{b: '\\frac{1}{2} \\text{m}\\nend', a: \"line\nline\"}", FORMULA),
        ('{“a”: “x”, // a remark\n "b": .5}', {"a": "x", "b": ".5"}),
        ('{} and then {"a": 1}', {"a": 1}),
        ('{"a": [1, 2}, "b": 3', {"a": [1, 2]}),
    ],
)
def test_what_models_get_wrong_is_mended(text, value) -> None:
    assert read_object(text, "reading") == value


def test_a_form_that_breaks_off_keeps_what_was_written() -> None:
    text = json.dumps(FORM)
    for end in range(text.index("3 *") + 1, len(text)):
        read = read_object(text[:end], "reading")
        assert list(FORM)[: len(read)] == list(read)
        assert FORM["a"]["x1"].startswith(read["a"]["x1"])
    assert read_object(text[:-1], "reading") == FORM


@pytest.mark.parametrize(
    "text", ["", "I would rather talk.", "(" * 5000, "[" * 5000, "{" * 5000, "{}" * 2000]
)
def test_without_an_object_it_fails_with_what_was_written(text) -> None:
    with pytest.raises(ParseError, match="reading the form: found") as caught:
        read_object(text, "reading the form")
    assert caught.value.raw == text


@given(st.text(alphabet="{}[]:,\"'\\ a1\n", max_size=40))
def test_whatever_is_written_it_ends(text) -> None:
    with suppress(ParseError):
        assert isinstance(read_object(text, "reading"), dict)
