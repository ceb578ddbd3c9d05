"""The stream of examples: what is learned of each, its order, and where it can be entered."""

import re
from itertools import islice

from transformers import PreTrainedTokenizerBase

from calculemus.problems.generated import Generated, Spec
from calculemus.tiny.data import Mixture, collate, encode, examples, rehearsed, steps

MIXTURE = Mixture(levels=(1, 2), weights=(1.0, 3.0), programs=0.25)


def test_the_completion_alone_is_learned(tokenizer: PreTrainedTokenizerBase) -> None:
    batch = collate(encode([("Q: a\nA:", " 12"), ("Q: Tom has 3\nP:", "\nb")], tokenizer), pad=1)
    for row, told in zip(batch.labels, (" 12", "\nb"), strict=True):
        assert tokenizer.decode(row[row >= 0]) == f"{told}<|end|>"
    learned = batch.labels >= 0
    assert (batch.input_ids[learned] == batch.labels[learned]).all()


def test_shares_of_levels_and_modes_are_those_asked_for(tokenizer: PreTrainedTokenizerBase) -> None:
    prompts = [tokenizer.decode(e.ids[: e.learned.index(True)]) for e in examples(MIXTURE, tokenizer, 0)]
    n, programs = len(prompts), sum(text.endswith("P:") for text in prompts)
    firsts = {Generated(Spec.level(1), "train")[index].question for index in range(n)}
    easy = sum(text[3:-3] in firsts for text in prompts)
    for count, share in ((programs, 0.25), (easy, 0.25)):
        assert abs(count - share * n) < 5 * (n * share * (1 - share)) ** 0.5


def test_a_drill_has_right_sums_and_learns_their_results(tokenizer: PreTrainedTokenizerBase) -> None:
    drills = examples(Mixture(levels=(3,), weights=(1.0,), programs=0.0, drills=1.0), tokenizer, 0)
    for drill in drills[:50]:
        sums = re.findall(r" = <<([^=]+)=(\d+)>>(\d+)", tokenizer.decode(drill.ids))
        assert len(sums) == 8
        assert all(eval(asked.replace("/", "//")) == int(a) == int(b) for asked, a, b in sums)
        learned = [place for place, is_learned in zip(drill.ids, drill.learned, strict=True) if is_learned]
        assert tokenizer.decode(learned) == "".join(f"{a}>>{b}" for _, a, b in sums)


def test_a_share_of_the_rows_are_drills(tokenizer: PreTrainedTokenizerBase) -> None:
    mixture = Mixture(levels=(1,), weights=(1.0,), programs=0.5, drills=0.25)
    texts = [tokenizer.decode(example.ids) for example in examples(mixture, tokenizer, 0)]
    counts = [sum(text.startswith(" =") for text in texts), sum("\nP:" in text for text in texts)]
    for count, share in zip(counts, (0.25, 0.5), strict=True):
        assert abs(count - share * len(texts)) < 5 * (len(texts) * share * (1 - share)) ** 0.5


def test_chunks_share_hardly_any_example(tokenizer: PreTrainedTokenizerBase) -> None:
    first, second = ({tuple(e.ids) for e in examples(MIXTURE, tokenizer, chunk)} for chunk in (0, 1))
    assert len(first & second) < 0.02 * len(first)  # a short problem may be drawn twice


def test_every_example_of_a_chunk_is_in_one_step(tokenizer: PreTrainedTokenizerBase) -> None:
    rows = [
        tuple(row[row != 1].tolist())
        for step in islice(steps(MIXTURE, tokenizer, rows=128, parts=4), 16)
        for batch in step
        for row in batch.input_ids
    ]
    assert sorted(rows) == sorted(tuple(e.ids) for e in examples(MIXTURE, tokenizer, 0))


def test_the_stream_can_be_entered_at_any_step(tokenizer: PreTrainedTokenizerBase) -> None:
    straight = list(islice(steps(MIXTURE, tokenizer, rows=512, parts=2), 6))
    entered = next(steps(MIXTURE, tokenizer, rows=512, parts=2, start=5))
    for one, other in zip(straight[5], entered, strict=True):
        assert one.input_ids.equal(other.input_ids)


def test_a_step_has_short_rows_together_and_all_lengths(tokenizer: PreTrainedTokenizerBase) -> None:
    for step in islice(steps(MIXTURE, tokenizer, rows=128, parts=4), 16):
        widths = [batch.input_ids.shape[1] for batch in step]
        assert widths == sorted(widths)
        padded = sum(batch.input_ids.numel() for batch in step)
        assert sum(batch.tokens for batch in step) > 0.85 * padded


OLD = Mixture(levels=(4,), weights=(1.0,), programs=0.0)


def test_a_share_of_the_rows_is_rehearsed(tokenizer: PreTrainedTokenizerBase) -> None:
    old, new = ({tuple(e.ids) for e in examples(m, tokenizer, 0)} for m in (OLD, MIXTURE))
    rows = [
        tuple(row[row != 1].tolist())
        for step in islice(steps(MIXTURE, tokenizer, rows=128, parts=4, old=OLD, rehearsal=0.25), 16)
        for batch in step
        for row in batch.input_ids
    ]
    assert len(rows) == 2048
    assert sum(row in old for row in rows) == 512
    assert sum(row in new for row in rows) == 1536


def test_with_nothing_or_all_to_rehearse_a_chunk_is_as_without(tokenizer: PreTrainedTokenizerBase) -> None:
    for rehearsal, mixture in ((0.0, MIXTURE), (1.0, OLD)):
        assert rehearsed(MIXTURE, OLD, rehearsal, tokenizer, 2) == examples(mixture, tokenizer, 2)
