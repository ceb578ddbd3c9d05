"""Every page of the web on a large store: 10,000 runs, 1,000,000 answers, 200 runs compared, a long search.

The store is written by SQL, in the store's own tables, in half a minute. Then every page of
``contents.PAGES`` is asked for several times from the application, in this process; the time is that of the
server, from the request to the last byte of the page. The first time of a page is shown apart: a comparison
is made then, and kept. Exit status 1 if a page takes longer than the bar, or answers with an error.

Run: python bench/web.py [RUNS [ROWS]]
"""

import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from starlette.testclient import TestClient

from calculemus.store import Store
from calculemus.web.app import make_app
from calculemus.web.contents import PAGES
from calculemus.web.site import Site

BAR = 200.0  # milliseconds
TIMES = 7
LARGE = 100_000  # answers of one run
COMPARED = 200  # runs on one problem set
PROBLEMS = 1_000  # of that set
NODES = 10_000
MEGABYTE = "one long line " * 75_000
GRADER = "default@1"
RESPONSE = "She sells 16 - 3 - 4 = 9 eggs a day and makes 9 * 2 = 18 dollars.\n" * 6


def fill(path: Path, n_runs: int, n_rows: int) -> None:
    """Write one run of 100,000 answers, 200 on one set of 1,000 problems, the rest on a small one."""
    Store.open(path).close()
    small = max(1, (n_rows - LARGE - COMPARED * PROBLEMS) // (n_runs - COMPARED - 1))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(
        "PRAGMA synchronous = OFF; DROP TRIGGER count_answer; DROP TRIGGER count_verdict"
    )
    connection.execute("BEGIN")
    for number, size in enumerate((small, PROBLEMS, LARGE), start=1):
        add_problems(connection, number, size)
    number = 0
    for problem_set, size, count in (
        (1, small, n_runs - COMPARED - 1),
        (2, PROBLEMS, COMPARED),
        (3, LARGE, 1),
    ):
        for _ in range(count):
            number += 1
            add_run(connection, number, problem_set, size)
    trace = json.dumps(
        [["step", f"state {i}", [(i - 1) // 3] if i else [], {"value": 0.5}] for i in range(NODES)]
    )
    connection.execute("UPDATE answer SET trace = ? WHERE run = ? AND position = 7", (trace, number))
    connection.execute("UPDATE answer SET answer = ? WHERE run = ? AND position = 8", (MEGABYTE, number))
    connection.execute("COMMIT")
    connection.close()


def add_problems(connection: sqlite3.Connection, number: int, n: int) -> None:
    connection.execute("INSERT INTO problem_set VALUES (?, ?, 'bench', ?)", (number, f"set{number}", n))
    connection.executemany(
        "INSERT INTO problem VALUES (?, ?, ?, ?, ?, ?, NULL, '{}')",
        (
            (number, i, f"p{number}/{i}", f"{RESPONSE[:180]} How many are {i}?", str(i), RESPONSE)
            for i in range(n)
        ),
    )


def outcome(run: int, position: int) -> str:
    draw = (position * 2_654_435_761 + run * 40_503 + position * run * 97) % 1_000
    return "correct" if draw < 400 + run % 300 else "unparsed" if draw > 970 else "wrong"


def add_run(connection: sqlite3.Connection, number: int, problem_set: int, n: int) -> None:
    spec = json.dumps(
        {"kind": "live", "solver": {"name": "Vote", "params": {"n": number % 64}}, "seed": number}
    )
    values = (number, f"{number * 2_654_435_761:032x}", f"vote:n={number % 64}@model{number % 400}", spec)
    created = f"2026-{1 + number % 12:02d}-{1 + number % 28:02d}T00:00:00+00:00"
    connection.execute(
        "INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?)",
        (*values, problem_set, f"bench:set={problem_set}", created, n),
    )
    connection.executemany(
        "INSERT INTO answer (run, position, sample, truncated, tokens_in, tokens_out, flops, answer) "
        "VALUES (?, ?, 0, 0, 90, ?, 1e9, ?)",
        ((number, i, 60 + (i + number) % 90, f"{RESPONSE}{i}") for i in range(n)),
    )
    found = [outcome(number, i) for i in range(n)]
    connection.executemany(
        "INSERT INTO verdict VALUES (?, ?, ?, 0, ?, ?, 'last number')",
        ((number, GRADER, i, word, str(i)) for i, word in enumerate(found)),
    )
    connection.executemany(
        "INSERT INTO tally VALUES (?, ?, ?, ?)",
        ((number, GRADER, word, found.count(word)) for word in sorted(set(found))),
    )


def addresses(site: Site) -> Iterator[tuple[str, str]]:
    """Yield the name of a page and an address of it; the pages of the store at their worst."""
    with site.reading() as store:
        assert store is not None
        n, newest = len(store.runs()), store.runs(COMPARED + 1)
    large, compared = newest[0], newest[1:]
    names = ",".join(run.key for run in compared)
    there = {page.name for page in PAGES}
    worst = {
        "runs": ["/runs", f"/runs?start={n - 50}", "/runs?q=vote+model3", "/runs?q=no+such+run"],
        "run": [
            f"/runs/{large.key}",
            f"/runs/{large.key}?start={large.n_answers - 50}",
            f"/runs/{large.key}?outcome=wrong&start=30000",
        ],
        "problem": [
            f"/runs/{large.key}/problems/{at}" for at in (0, "7", "7?from=9900", 8, large.n_problems - 1)
        ],
        "comparison": [
            f"/compare?runs={names}",
            f"/compare?runs={names}&a={compared[3].key}&b={compared[5].key}&start=50",
            "/compare?runs=" + ",".join(run.key for run in compared[:30]),
            "/compare?runs=" + ",".join(run.key for run in compared[:12]),
        ],
    }
    for page in PAGES:
        if page.name in worst:
            yield from ((page.name, address) for address in worst[page.name])
        else:
            place = next(iter(page.places(site)), None) or ({} if "{" not in page.path else None)
            if place is not None:
                yield page.name, page.path.format(**place)
    assert set(worst) <= there


def measure(client: TestClient, address: str) -> tuple[list[float], int]:
    """Return the milliseconds of several requests and the bytes of the page."""
    taken, size = [], 0
    for _ in range(TIMES + 1):
        start = time.perf_counter()
        reply = client.get(address)
        taken.append(1000 * (time.perf_counter() - start))
        if reply.status_code != 200:
            raise SystemExit(f"{address[:100]}: status {reply.status_code}: {reply.text[:2000]}")
        size = len(reply.content)
    return taken, size


def main(n_runs: int = 10_000, n_rows: int = 1_000_000) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, start = Path(folder) / "store.db", time.perf_counter()
        fill(path, n_runs, n_rows)
        site = Site(path)
        print(
            f"store: {n_runs:,} runs, {path.stat().st_size / 1e6:.0f} MB, {time.perf_counter() - start:.0f} s"
        )
        client = TestClient(make_app(site, PAGES), base_url="http://127.0.0.1")
        print(
            f"{'page':12} {'median':>8} {'worst':>8} {'first':>8}  kB  (milliseconds; the bar is {BAR:.0f})"
        )
        missed = 0
        for name, address in addresses(site):
            (first, *taken), size = measure(client, address)
            worst = max(taken)
            missed += worst > BAR
            shown = address if len(address) < 60 else f"{address[:40]}…{address[-18:]}"
            print(
                f"{name:12} {statistics.median(taken):8.1f} {worst:8.1f} {first:8.1f} {size / 1000:4.0f}"
                f"  {shown}{'  MISSED' if worst > BAR else ''}"
            )
        print(f"{missed} pages over the bar" if missed else "every page is under the bar")
    raise SystemExit(1 if missed else 0)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
