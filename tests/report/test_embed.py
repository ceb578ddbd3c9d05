"""What is embedded in the page comes out again."""

import io
import json
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from calculemus.report.embed import TEXT_CHARS, TEXT_ROWS, Embedder, json_for_html, preview, unpack
from calculemus.report.tally import facts_of
from calculemus.solution import Node, Trace
from calculemus.study.comparison import ProblemView, SampleView

TEXT = st.text(st.characters() | st.sampled_from(["\0", "<", "/", "\ud800", "\u202e", "🧮"]), max_size=40)
HOSTILE = "</script><script>alert(1)</script><!--<script>"


class Scripts(HTMLParser):
    """Reads script elements as a browser does."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[dict[str, str | None], str]] = []
        self.other: list[str] = []
        self._open: dict[str, str | None] | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self._open = dict(attrs)
            self.found.append((self._open, ""))
        else:
            self.other.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._open = None

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            attributes, text = self.found[-1]
            self.found[-1] = (attributes, text + data)


def embedded(views: list[ProblemView]) -> Scripts:
    out = io.BytesIO()
    embedder = Embedder(out)
    for view in views:
        embedder.add(view, facts_of(view.samples))
    embedder.finish()
    return Scripts(out.getvalue().decode("ascii"))


def problem(number: int, text: str, response: str | None) -> ProblemView:
    samples = ((SampleView("wrong", text, "rule", response, 0.5),), ())
    return ProblemView(f"{text}{number}", text, text, None, number, samples)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=5))
@settings(max_examples=50)
def test_any_text_comes_back_as_it_was(texts: list[tuple[str, str]]):
    views = [problem(i, a, b) for i, (a, b) in enumerate(texts)]
    page = embedded(views)
    rows = [row for attributes, data in page.found if attributes["class"] == "text" for row in unpack(data)]
    indices = [unpack(data) for attributes, data in page.found if attributes["class"] == "index"]
    assert rows == [[a, a, None, [[[b, a, "rule", 0.5]], []]] for a, b in texts]
    assert [i for index in indices for i in index["ids"]] == [view.id for view in views]
    assert [m for index in indices for m in index["marks"]] == ["w-"] * len(views)
    assert page.other == []


def test_what_a_live_system_knows_stands_behind_what_a_recorded_one_does():
    trace = Trace((Node("code", "1 / 0", meta={"logprob": -1.5}), Node("output", "no", (0,), {"tier": None})))
    cost = {"tokens_out": 7, "tokens_in": 0}
    live = SampleView("error", None, "no response", None, None, "no", True, cost, trace)
    plain = SampleView("wrong", "1", "rule", "1")
    view = ProblemView("p", "q", "a", None, None, ((live,), (plain,)), ("Q: q", None))
    (found,) = embedded([view]).found[:1]
    ((*_, systems, prompts),) = unpack(found[1])
    assert prompts == ["Q: q", None]
    assert systems == [
        [[None, None, "no response", None, {
            "failure": "no", "truncated": True, "cost": {"tokens_out": 7},
            "trace": [["code", "1 / 0", [], {"logprob": -1.5}], ["output", "no", [0], {}]],
        }]],
        [["1", "1", "rule", None]],
    ]  # fmt: skip


def test_a_figure_that_json_does_not_have_is_left_out():
    trace = Trace((Node("completion", "a", meta={"logprob": float("-inf"), "score": 1.0}),))
    sample = SampleView("wrong", None, "rule", "b", trace=trace)
    (found,) = embedded([ProblemView("p", "q", "a", None, None, ((sample,),))]).found[:1]
    ((*_, systems),) = unpack(found[1])
    assert systems[0][0][4] == {"trace": [["completion", "a", [], {"score": 1.0}]]}


def test_text_that_ends_scripts_ends_none():
    page = embedded([problem(0, HOSTILE, HOSTILE)])
    assert [attributes["class"] for attributes, _ in page.found] == ["text", "index"]
    assert all(attributes["type"] == "application/octet-stream" for attributes, _ in page.found)


def test_every_chunk_says_where_it_starts():
    views = [problem(i, "q", "r") for i in range(2 * TEXT_ROWS + 3)]
    chunks = [
        (int(a["data-start"] or ""), unpack(d)) for a, d in embedded(views).found if a["class"] == "text"
    ]
    assert [start for start, _ in chunks] == [0, TEXT_ROWS, 2 * TEXT_ROWS]
    assert [len(rows) for _, rows in chunks] == [TEXT_ROWS, TEXT_ROWS, 3]


def test_long_texts_get_chunks_of_few_problems():
    views = [problem(i, "q", "r" * (TEXT_CHARS // 2)) for i in range(6)]
    chunks = [unpack(data) for attributes, data in embedded(views).found if attributes["class"] == "text"]
    assert [len(rows) for rows in chunks] == [2, 2, 2]


def test_json_inside_a_script_stays_inside_and_stays_json():
    written = json_for_html({"name": HOSTILE})
    assert "<" not in written
    assert json.loads(written) == {"name": HOSTILE}


def test_a_preview_is_one_line_of_the_start():
    assert preview("How  many\n\nbags?") == "How many bags?"
    assert preview("word " * 1000).endswith("…")
    assert len(preview("x" * 1_000_000)) == 140
