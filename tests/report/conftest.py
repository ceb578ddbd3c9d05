"""A small comparison whose every figure can be counted by hand, and a browser to look at its page."""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

import pytest

from calculemus.report import write_report
from calculemus.study.comparison import Comparison, PairResult, ProblemView, SampleView, SystemResult

CHROMIUM = Path("/usr/bin/chromium")
NAMES = ("small model", "large model", "large model, voting")


def outcome_of(problem: int, system: int) -> str:
    """The larger the system, the rarer its failures; a few responses hold no answer."""
    if (problem + 3 * system) % 29 == 0:
        return "unparsed"
    return "wrong" if (problem * (system + 2)) % 7 < 4 - system else "correct"


def view_of(problem: int, systems: int = len(NAMES)) -> ProblemView:
    samples = tuple(
        (
            SampleView(
                outcome_of(problem, system),
                None if outcome_of(problem, system) == "unparsed" else str(problem),
                "last number",
                f"System {system} thinks about marbles in bag {problem}.\nA: {problem}",
                0.001,
            ),
        )
        for system in range(systems)
    )
    return ProblemView(
        id=f"marbles/{problem}",
        question=f"How many marbles are in bag {problem}?",
        answer=str(problem),
        solution=f"Count them: <<{problem}*1={problem}>>{problem}",
        steps=None if problem % 40 == 39 else 1 + problem % 4,
        samples=samples,
    )


def compare(views: Sequence[ProblemView], names: Sequence[str] = NAMES) -> Comparison:
    """Compare by counting; the intervals are round figures, as no test here is about them."""
    n = len(views)
    right = [[view.samples[s][0].outcome == "correct" for view in views] for s in range(len(names))]
    systems = tuple(
        SystemResult(
            name=name,
            run=f"run{s}",
            n=n,
            n_samples=n,
            correct=sum(right[s]),
            accuracy=sum(right[s]) / n,
            ci_low=max(0.0, sum(right[s]) / n - 0.05),
            ci_high=min(1.0, sum(right[s]) / n + 0.05),
            ci_method="Wilson",
            unparsed=sum(view.samples[s][0].outcome == "unparsed" for view in views),
            errors=0,
        )
        for s, name in enumerate(names)
    )
    pairs = []
    for a, b in combinations(range(len(names)), 2):
        only_a = sum(x and not y for x, y in zip(right[a], right[b], strict=True))
        only_b = sum(y and not x for x, y in zip(right[a], right[b], strict=True))
        delta = (only_b - only_a) / n
        pairs.append(
            PairResult(
                a=names[a],
                b=names[b],
                n=n,
                only_a=only_a,
                only_b=only_b,
                delta=delta,
                ci_low=delta - 0.08,
                ci_high=delta + 0.08,
                ci_method="Tango",
                p_value=0.0123,
                p_method="exact McNemar",
                p_holm=0.0246 if a == 0 else None,
                visible=0.11,
            )
        )
    return Comparison("marbles", n, "default@1", names[0], systems, tuple(pairs), ("A note to the reader.",))


@pytest.fixture(scope="session")
def views() -> list[ProblemView]:
    return [view_of(problem) for problem in range(130)]


@pytest.fixture(scope="session")
def comparison(views: list[ProblemView]) -> Comparison:
    return compare(views)


@pytest.fixture(scope="session")
def compared() -> Callable[..., Comparison]:
    return compare


@pytest.fixture(scope="session")
def report(
    tmp_path_factory: pytest.TempPathFactory, views: list[ProblemView], comparison: Comparison
) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, comparison, views)
    return path


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    # Not for the whole session: while playwright runs, no other test can start an event loop.
    if not CHROMIUM.exists():
        pytest.skip(f"no browser: {CHROMIUM} is not there; install Debian's package chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def open_problem(chromium) -> Callable:
    """Open the problem of one row of the list."""
    expect = pytest.importorskip("playwright.sync_api").expect

    def click(page, row: int) -> None:
        page.get_by_test_id("problem-row").nth(row).click()
        expect(page.get_by_test_id("detail")).to_be_visible()

    return click


@pytest.fixture
def visit(chromium) -> Iterator[Callable]:
    """Open a report and wait until it is usable; in the end nothing was logged and nothing asked for."""
    heard: list[str] = []
    pages = []

    def open_report(path: Path, hash: str = "", before: str = "", **options):
        page = chromium.new_page(**options)
        pages.append(page)
        page.on("console", lambda message: heard.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(("file:", "data:", "blob:"))
                else heard.append(f"asked for: {request.url}")
            ),
        )
        if before:
            page.add_init_script(before)
        page.goto(path.as_uri() + hash)
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_report
    for page in pages:
        page.close()
    assert heard == []
