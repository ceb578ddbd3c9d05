"""A large run: the store against a log that is one JSON file, read whole, as many harnesses write it.

The same rows go into both. Then each is opened in a process of its own, and asked for the first, middle and
last page of 50 rows and the counts of outcomes. Time is from after the imports; memory is the growth of the
process's peak (Linux). Last come lists of runs: one store against a JSON file for each run.

Usage: python bench/store.py [ROWS [RUNS]]
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.solution import Node, Solution, Trace
from calculemus.store import Store, StoredAnswer
from calculemus.verdict import Verdict

PAGE = 50
BATCH = 2000
RESPONSE = "She sells 16 - 3 - 4 = 9 eggs a day and makes 9 * 2 = 18 dollars. " * 15

MEASURE = """
import re, sys, time, json
def peak():
    # Not ru_maxrss, which begins with the peak of the process that started this one.
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
{imports}
before, start = peak(), time.perf_counter()
{body}
print(json.dumps([time.perf_counter() - start, (peak() - before) / 1024, answer]))
"""

OPEN_STORE = (
    "from calculemus.store import Store",
    """
with Store.open(sys.argv[1], readonly=True) as store:
    run = store.find("large")
    starts = [0, run.n_answers // 2, run.n_answers - 50]
    pages = [[r.problem_id for r in store.rows(run, "default@1", at, 50)] for at in starts]
    counts = store.summary(run, "default@1")
answer = [pages, counts["correct"]]
""",
)

OPEN_LOG = (
    "",
    """
with open(sys.argv[1]) as file:
    samples = json.load(file)["samples"]
starts = [0, len(samples) // 2, len(samples) - 50]
pages = [[s["id"] for s in samples[at : at + 50]] for at in starts]
answer = [pages, sum(s["outcome"] == "correct" for s in samples)]
""",
)

LIST_STORE = (
    "from calculemus.store import Store",
    """
with Store.open(sys.argv[1], readonly=True) as store:
    answer = sorted([o.run.name, o.accuracy("default@1")] for o in store.overview())
""",
)

LIST_LOGS = (
    "from pathlib import Path",
    """
logs = [json.loads(path.read_text()) for path in Path(sys.argv[1]).iterdir()]
answer = sorted([log["name"], log["results"]["correct"] / log["results"]["n"]] for log in logs)
""",
)


def outcome(index: int) -> str:
    return "correct" if index % 3 else "wrong"


def make_store(path: Path, n: int) -> float:
    problems = ProblemSet("n", tuple(Problem(f"n/{i}", "How many?", str(i)) for i in range(n)))
    start = time.perf_counter()
    with Store.open(path) as store:
        run = store.begin({"system": "large"}, problems, "large")
        for low in range(0, n, BATCH):
            indices = range(low, min(low + BATCH, n))
            texts = {i: f"{RESPONSE}{i}" for i in indices}
            traces = {i: Trace((Node("completion", texts[i]),)) for i in indices}
            store.append(
                run, [StoredAnswer(f"n/{i}", 0, Solution(texts[i], trace=traces[i])) for i in indices]
            )
            verdicts = [(f"n/{i}", 0, Verdict(outcome(i), str(i), "last", "default@1")) for i in indices]  # type: ignore[arg-type]  # one of the four
            store.record(run, "default@1", verdicts)
    return time.perf_counter() - start


def make_log(path: Path, n: int) -> float:
    start = time.perf_counter()
    samples = [
        {"id": f"n/{i}", "question": "How many?", "gold": str(i), "response": f"{RESPONSE}{i}"}
        | {"outcome": outcome(i), "extracted": str(i), "how": "last"}
        for i in range(n)
    ]
    path.write_text(json.dumps({"name": "large", "samples": samples}))
    return time.perf_counter() - start


def make_runs(path: Path, folder: Path, n: int) -> None:
    problems = ProblemSet("n", (Problem("n/0", "How many?", "1"),))
    folder.mkdir()
    with Store.open(path) as store:
        for i in range(n):
            spec = {"system": i, "prompt": RESPONSE}
            run = store.begin(spec, problems, f"run {i}")
            store.append(run, [StoredAnswer("n/0", 0, Solution("1"))])
            store.record(run, "default@1", [("n/0", 0, Verdict("correct", "1", "last", "default@1"))])
            # No samples: the best case of a log whose header can be read alone.
            header = {"name": f"run {i}", "spec": spec, "results": {"n": 1, "correct": 1}}
            (folder / f"{i}.json").write_text(json.dumps(header))


def measure(work: tuple[str, str], path: Path) -> tuple[float, float, object]:
    """Return seconds, MB and the answer, the best of three processes each."""
    script = MEASURE.format(imports=work[0], body=work[1])
    found = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", script, path], capture_output=True, text=True, check=True
        )
        found.append(json.loads(done.stdout))
    return min(f[0] for f in found), min(f[1] for f in found), found[0][2]


def report(what: str, work: tuple[str, str], path: Path, peer: tuple[str, str], log: Path) -> list[float]:
    seconds, size, answer = measure(work, path)
    peer_seconds, peer_size, peer_answer = measure(peer, log)
    assert answer == peer_answer, "both give the same answer"
    print(f"{what}: store {seconds:.4f} s, {size:.1f} MB; JSON {peer_seconds:.4f} s, {peer_size:.1f} MB")
    return [peer_size / max(size, 0.1), peer_seconds / seconds]


def main(n_rows: int = 200_000, n_runs: int = 10_000) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store, log = folder / "store.db", folder / "log.json"
        print(f"{n_rows} rows: store written in {make_store(store, n_rows):.1f} s,", end=" ")
        print(f"{store.stat().st_size / 1e6:.0f} MB;", end=" ")
        print(f"JSON in {make_log(log, n_rows):.1f} s, {log.stat().st_size / 1e6:.0f} MB")
        memory, seconds = report("open, three pages, summary", OPEN_STORE, store, OPEN_LOG, log)
        make_runs(folder / "runs.db", folder / "logs", n_runs)
        _, listing = report(f"list {n_runs} runs", LIST_STORE, folder / "runs.db", LIST_LOGS, folder / "logs")
    for what, ratio in (("listing time", listing), ("opening memory", memory), ("opening time", seconds)):
        print(f"{what}:")
        print(f"ratio: {ratio:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
