"""The page as a whole: complete, closed to scripts of others, the same for the same input."""

import base64
import errno
import hashlib
import re
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest

from calculemus.errors import OutputError
from calculemus.events import Progress, listening
from calculemus.report import write_report
from calculemus.report.page import SCRIPTS
from calculemus.study.comparison import Comparison, ProblemView, SampleView

HOSTILE = "</script><script>alert(1)</script><!--problems--><img src=x onerror=alert(1)>\"'&"


class Page(HTMLParser):
    """Collects what a browser would run, style or ask for; ``sources`` leaves data elements out."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.sources: dict[str, list[str]] = {"script": [], "style": []}
        self._inside: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = self.sources[tag] if tag in self.sources and "type" not in dict(attrs) else None
        if self._inside is not None:
            self._inside.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside is not None:
            self._inside[-1] += data


def test_the_policy_names_exactly_the_scripts_of_the_page(report: Path):
    page = Page(report.read_text(encoding="utf-8"))
    policy = next(a["content"] for t, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        digests = {
            f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
            for text in page.sources[tag]
        }
        assert set(directives[directive].split()) == digests
    assert directives["default-src"] == "'none'"


def test_no_element_asks_for_anything_outside_the_file(report: Path):
    page = Page(report.read_text(encoding="utf-8"))
    links = [a[name] for _, a in page.elements for name in ("src", "href", "action", "srcset") if name in a]
    assert links
    assert all(link == "data:," or (link or "").startswith("#") for link in links)


def test_no_element_carries_code_or_style_in_its_attributes(report: Path):
    page = Page(report.read_text(encoding="utf-8"))
    assert not [n for _, a in page.elements for n in a if n.startswith("on") or n == "style"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_own_scripts_never_turn_text_into_elements(name: str):
    source = files("calculemus.report").joinpath(f"assets/{name}").read_text(encoding="utf-8")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", source
    )


def test_hostile_names_notes_and_titles_add_no_element(
    tmp_path: Path, comparison: Comparison, views: list[ProblemView]
):
    names = {s.name: f"{HOSTILE}{i}" for i, s in enumerate(comparison.systems)}
    evil = replace(
        comparison,
        problems=HOSTILE,
        grader=HOSTILE,
        baseline=names[comparison.baseline],
        systems=tuple(replace(s, name=names[s.name]) for s in comparison.systems),
        pairs=tuple(replace(p, a=names[p.a], b=names[p.b]) for p in comparison.pairs),
        notes=(HOSTILE,),
    )
    plain, hostile = tmp_path / "plain.html", tmp_path / "hostile.html"
    write_report(plain, comparison, views)
    write_report(hostile, evil, views, HOSTILE)
    tags = [[t for t, _ in Page(p.read_text(encoding="utf-8")).elements] for p in (plain, hostile)]
    assert tags[0] == tags[1]


def test_names_that_are_no_unicode_are_written_all_the_same(
    tmp_path: Path, views: list[ProblemView], compared: Callable[..., Comparison]
):
    path = tmp_path / "r.html"
    write_report(path, compared(views, ["\ud800", "b", "c"]), views)
    assert "<html" in path.read_text(encoding="utf-8")


def test_the_same_comparison_gives_the_same_file(
    tmp_path: Path, report: Path, comparison: Comparison, views: list[ProblemView]
):
    write_report(tmp_path / "again.html", comparison, views)
    assert (tmp_path / "again.html").read_bytes() == report.read_bytes()


def test_an_older_report_survives_problems_that_break_off(
    tmp_path: Path, comparison: Comparison, views: list[ProblemView]
):
    path = tmp_path / "r.html"
    path.write_text("older")

    def broken() -> Iterator[ProblemView]:
        yield views[0]
        raise OSError("the store is gone")

    with pytest.raises(OSError, match=r"^the store is gone$"):
        write_report(path, comparison, broken())
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_named_before_any_problem_is_read(tmp_path: Path, comparison: Comparison):
    def never() -> Iterator[ProblemView]:
        pytest.fail("read a problem")
        yield

    path = tmp_path / "missing" / "r.html"
    with pytest.raises(OutputError, match=r"cannot write '.*missing/r.html'.*folder that exists"):
        write_report(path, comparison, never())


def test_a_full_disk_is_told_and_leaves_nothing_behind(
    tmp_path: Path, comparison: Comparison, views: list[ProblemView], monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("calculemus.report.page.shutil.copyfileobj", full)
    with pytest.raises(OutputError, match=r"r\.html.*No space left"):
        write_report(tmp_path / "r.html", comparison, views)
    assert list(tmp_path.iterdir()) == []


def test_progress_is_told(tmp_path: Path, comparison: Comparison, views: list[ProblemView]):
    heard: list[Progress] = []
    with listening(heard.append):  # type: ignore[arg-type]  # only Progress is sent here
        write_report(tmp_path / "r.html", comparison, views)
    assert (heard[-1].done, heard[-1].total, heard[-1].finished) == (len(views), len(views), True)


def test_memory_does_not_grow_with_the_problems(tmp_path: Path, comparison: Comparison):
    def long(n: int) -> Iterator[ProblemView]:
        for i in range(n):
            sample = (SampleView("correct", "1", "rule", f"{i} " * 400),)
            yield ProblemView(f"p/{i}", "q", "1", None, i % 5, (sample,) * 3)

    def peak(n: int) -> int:
        tracemalloc.start()
        write_report(tmp_path / "r.html", comparison, long(n))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)  # reads the assets
    assert peak(1500) - peak(500) < 2_000_000  # the texts of the 1,000 more problems are 6 MB
