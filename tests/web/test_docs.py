"""The docs and the reference: complete, linked, read without importing anything, and plain text."""

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from calculemus.card import INTERFACES
from calculemus.catalog import read_catalog
from calculemus.web import docs, reference
from calculemus.web.contents import PAGES
from calculemus.web.links import FileLinks, file_of
from calculemus.web.markdown import links_in, parts_of, slug, text_of
from calculemus.web.pages import Asked
from calculemus.web.site import Site


class Seen(HTMLParser):
    """The tags, links and places of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = dict(attrs)
        if tag == "a":
            self.links.append(named.get("href") or "")
        if named.get("id"):
            self.ids.append(named["id"] or "")
        assert not any(name.startswith("on") or name == "style" for name in named), (tag, attrs)


@pytest.fixture
def client(browse, no_store) -> TestClient:
    return browse(Site(no_store))


def parts(name: str) -> list[dict[str, Any]]:
    return docs._read(name)["parts"]


def test_every_file_of_the_docs_is_in_the_order_that_they_are_read_in() -> None:
    assert sorted(docs.ORDER) == sorted(path.stem for path in docs.FOLDER.iterdir())
    assert all(path.suffix == ".md" for path in docs.FOLDER.iterdir())


@pytest.mark.parametrize("name", docs.ORDER)
def test_every_page_is_shown_and_every_link_of_it_leads_to_something(client: TestClient, name: str) -> None:
    seen = Seen(client.get(f"/docs/{name}").text)
    assert len(seen.ids) == len(set(seen.ids))
    inner = [link for link in seen.links if link.startswith("/")]
    assert len(inner) > 6
    for link in inner:
        path, _, place = link.partition("#")
        reply = client.get(path)
        assert reply.status_code == 200, link
        assert not place or place in Seen(reply.text).ids, link
    assert {link[1:] for link in seen.links if link.startswith("#")} <= set(seen.ids)


@pytest.mark.parametrize("name", docs.ORDER)
def test_no_link_is_misspelt_and_so_left_as_text(name: str) -> None:
    text = (docs.FOLDER / f"{name}.md").read_text("utf-8")
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert len(re.findall(r"\]\(", prose)) == len(list(links_in(parts(name))))


@pytest.mark.parametrize("name", docs.ORDER)
def test_every_place_of_the_reference_that_a_page_names_is_there(name: str) -> None:
    for link in links_in(parts(name)):
        if link["to"] == "reference":
            record = reference._record(link["params"]["module"])
            kinds = ("classes", "functions", "values")
            names = {each["name"] for kind in kinds for each in record[kind]}
            assert link["place"] in names | {""}, link


def test_every_interface_with_a_method_that_runs_is_named_in_the_docs() -> None:
    built = {card.interface for card in read_catalog() if card.entry}
    assert built <= set(INTERFACES)
    text = " ".join((docs.FOLDER / f"{name}.md").read_text("utf-8") for name in docs.ORDER)
    assert [name for name in sorted(built) if not re.search(rf"\b{name}\b", text)] == []


def test_the_index_leads_to_every_page_and_every_module(client: TestClient) -> None:
    links = set(Seen(client.get("/docs").text).links)
    assert {f"/docs/{name}" for name in docs.ORDER} <= links
    assert {f"/reference/{name}" for name in reference.modules()} <= links


def test_pages_follow_each_other(client: TestClient) -> None:
    name, visited = docs.ORDER[0], []
    while name:
        visited.append(name)
        after = client.get(f"/docs/{name}.json").json()["after"]
        name = after["name"] if after else ""
    assert tuple(visited) == docs.ORDER


@pytest.mark.slow
def test_every_module_of_the_reference_is_shown(client: TestClient) -> None:
    names = list(reference.modules())
    assert {"calculemus.problem", "calculemus.solving", "calculemus.merging.ties"} <= set(names)
    assert not any(part.startswith("_") for name in names for part in name.split("."))
    for name in names:
        assert reference._record(name)["module"] == name
    for name in names[::25]:
        seen = Seen(client.get(f"/reference/{name}").text)
        assert len(seen.ids) == len(set(seen.ids)), name


def test_no_docstring_has_a_section_that_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    for name in reference.modules():
        for each in _documented(reference._visit(name)):
            each.docstring.parse("google", warnings=True)
    lost = [record.message for record in caplog.records if "Failed to get" in record.message]
    assert lost == []


def _documented(found: Any) -> Iterator[Any]:
    for member in found.members.values():
        if not member.is_alias:
            yield from _documented(member)
    if found.docstring is not None:
        yield found


def test_a_dataclass_is_shown_with_its_signature_attributes_and_example(client: TestClient) -> None:
    record = client.get("/reference/calculemus.problem.json").json()
    (problem,) = record["classes"]
    assert problem["signature"].startswith("Problem(\n    id: str,")
    assert "    solution: str | None = None," in problem["signature"]
    assert [row["name"] for row in problem["attributes"]] == [
        *("id", "question", "answer", "solution", "program", "meta")
    ]
    assert "gold answer" in text_of(problem["attributes"][2]["text"])
    assert "('3/2', '1.5')" in problem["examples"][0]
    assert [each["name"] for each in problem["properties"]] == ["golds", "group"]


def test_what_belongs_to_the_class_is_no_argument_of_an_instance() -> None:
    classes = {each["name"]: each for each in reference._record("calculemus.solving.vote")["classes"]}
    assert "temperature: Annotated[float, AtLeast(0)] = 0.7" in classes["Vote"]["signature"]
    assert "scheme" not in classes["Vote"]["signature"]


def test_a_function_is_shown_with_arguments_returns_and_errors() -> None:
    record = reference._record("calculemus.problems.sources")
    load = next(each for each in record["functions"] if each["name"] == "load")
    assert load["signature"].startswith("load(\n    name: str,\n    data: Path | str | None = None,\n")
    assert load["signature"].endswith("    *,\n    corrected: bool = False,\n) -> ProblemSet")
    assert [row["name"] for row in load["parameters"]] == ["name", "data", "limit", "corrected"]
    assert [row["type"] for row in load["raises"]] == [
        *("ProblemError", "MissingExtraError", "InvalidParameterError")
    ]


def test_what_is_private_is_left_out() -> None:
    record = reference._record("calculemus.card")
    functions = [each["name"] for each in record["functions"]]
    assert functions == ["read_card"]
    assert not any(value["name"].startswith("_") for value in record["values"])


def test_a_door_shows_what_it_offers_and_where_that_is(client: TestClient) -> None:
    offered = {each["name"]: each for each in reference._record("calculemus.solving")["offered"]}
    assert set(offered) == {"Context", "Solver", "Steps"}
    assert offered["Solver"]["module"] == "calculemus.solving.base"
    assert (
        'href="/reference/calculemus.solving.base#Solver"' in client.get("/reference/calculemus.solving").text
    )


HOSTILE = (
    "../../etc/passwd",
    "calculemus/../cli",
    "calculemus..problem",
    "os",
    "numpy",
    "calculemus.cli.web",
    "calculemus.nothing",
    "calculemus.problem\x00",
    "<script>alert(1)</script>",
    "calculemus.web.docs",
    ".calculemus",
    "x" * 5000,
)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", ["docs", "reference"])
def test_a_name_that_is_none_is_refused_and_stays_text(client: TestClient, kind: str, name: str) -> None:
    from urllib.parse import quote

    for ending in ("", ".json"):
        reply = client.get(f"/{kind}/{quote(name, safe='')}{ending}")
        assert reply.status_code == 404
        assert "<script>alert" not in reply.text or reply.headers["content-type"] == "application/json"
        assert len(reply.text) < 20_000


def test_the_reference_is_read_without_importing_what_it_shows() -> None:
    code = """
import sys
from calculemus.web import reference
for name in ("calculemus.merging.calibration", "calculemus.tuning.tasks", "calculemus.tuning.blending"):
    assert reference._record(name)["classes"]
assert "torch" not in sys.modules and "calculemus.merging.calibration" not in sys.modules
print("apart")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "apart\n"


def test_markdown_becomes_parts_and_never_markup() -> None:
    text = "<script>alert(1)</script> *b* `c` [x](javascript:alert(1)) [y](system:ties) ![z](data:,x)"
    (paragraph,) = parts_of(text)
    assert text_of([paragraph]).startswith("<script>alert(1)</script> b c ")
    links = list(links_in([paragraph]))
    assert [(link["to"], link["params"]) for link in links] == [("system", {"id": "ties"})]
    kinds = {part["kind"] for part in paragraph["parts"]}
    assert kinds <= {"text", "em", "code", "link", "span"}


def test_a_block_says_its_language_and_what_becomes_of_it() -> None:
    block, run, bare = parts_of("```python a/b.py\nx\n```\n```console run\n$ y\n```\n\n    z\n")
    assert (block["language"], block["file"], block["run"]) == ("python", "a/b.py", False)
    assert (run["language"], run["file"], run["run"]) == ("console", "", True)
    assert (bare["language"], bare["text"]) == ("", "z\n")


def test_a_heading_has_a_place_that_links_can_name() -> None:
    (heading,) = parts_of("## Its `card`, and more")
    assert heading["id"] == slug("Its card, and more") == "its-card-and-more"


def test_a_hostile_docstring_is_text(client: TestClient, tmp_path: Path, monkeypatch) -> None:
    bad = '<script>alert(1)</script>"><img src=x onerror=alert(1)> {{7*7}} [a](javascript:alert(1))'
    function = f'def f(x: int = 0) -> int:\n    """{bad}\n\n    Args:\n        x: {bad}\n    """\n'
    code = f'"""{bad}"""\n\nA = 1\n"""{bad}"""\n\n{function}'
    file = tmp_path / "bad.py"
    file.write_text(code, "utf-8")
    monkeypatch.setattr(reference, "modules", lambda: {"calculemus": file, "calculemus.bad": file})
    reply = client.get("/reference/calculemus.bad")
    seen = Seen(reply.text)
    assert reply.status_code == 200
    assert reply.text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4
    assert "img" not in seen.tags
    assert not any(link.startswith("javascript") for link in seen.links)
    assert "{{7*7}}" in reply.text


def test_an_export_holds_the_docs_with_links_between_their_files(no_store: Path) -> None:
    site = Site(no_store, is_live=False)
    kinds = [page for page in PAGES if page.name in ("docs", "doc", "reference")]
    written = {file_of(page, place) for page in kinds for place in page.places(site)}
    assert len(written) == 1 + len(docs.ORDER) + len(reference.modules())
    page = next(page for page in kinds if page.name == "doc")
    record = page.record(site, Asked({"name": "solver"}))
    seen = Seen(site.render(page, record, FileLinks(PAGES, "docs/solver.html", written), "solver.json"))
    assert "../reference/calculemus.solving.base.html#Solver" in seen.links
    assert "grader.html" in seen.links


def test_a_page_of_a_system_leads_to_its_reference(client: TestClient) -> None:
    assert 'href="/reference/calculemus.merging.ties' in client.get("/systems/ties").text
