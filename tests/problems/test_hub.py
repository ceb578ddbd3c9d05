"""The hub is a fake on local files: which files are asked for, of which revision, and what comes of them."""

import json
import shutil
import sys
from types import SimpleNamespace

import pytest

from calculemus.errors import MissingExtraError, ProblemError
from calculemus.problems import load
from calculemus.problems.hub import CONVERTED, HubId, choose

SHA = "0123abcd"
GSM8K = [
    "README.md",
    "main/train-00000-of-00001.parquet",
    "main/test-00000-of-00001.parquet",
    "socratic/train-00000-of-00001.parquet",
    "socratic/test-00000-of-00001.parquet",
]


class FakeHub:
    """A hub in a folder: ``folder/revision/file``."""

    def __init__(self, folder):
        self.folder = folder
        self.downloads = []

    def put(self, file, source=None, rows=None, revision="main"):
        path = self.folder / revision.replace("/", "%") / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if rows is not None:
            pyarrow = pytest.importorskip("pyarrow")
            parquet = pytest.importorskip("pyarrow.parquet")
            parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        else:
            shutil.copy(source, path)

    def dataset_info(self, repo, revision=None):
        from huggingface_hub.errors import RevisionNotFoundError

        folder = self.folder / (revision or "main").replace("/", "%")
        if not folder.is_dir():
            raise RevisionNotFoundError(
                "no such revision", response=SimpleNamespace(headers={}, request=None)
            )
        files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
        return SimpleNamespace(
            sha=SHA + (revision or ""), siblings=[SimpleNamespace(rfilename=file) for file in reversed(files)]
        )

    def download(self, repo, file, *, repo_type, revision):
        assert repo_type == "dataset"
        self.downloads.append((repo, file, revision))
        return str(self.folder / (revision.removeprefix(SHA) or "main").replace("/", "%") / file)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub")
    monkeypatch.delenv("CALCULEMUS_DATA", raising=False)
    hub = FakeHub(tmp_path / "hub")
    (hub.folder / "main").mkdir(parents=True)
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: hub)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", hub.download)
    return hub


def rows(*answers):
    return [{"question": f"Question {answer}?", "answer": f"so\n#### {answer}"} for answer in answers]


def test_gsm8k_is_read_from_the_parquet_files_of_its_split(fake):
    for file in GSM8K[1:]:
        fake.put(file, rows=rows("1,000" if "main/test" in file else "2"))
    problems = load("gsm8k")
    assert [(p.id, p.answer) for p in problems] == [("gsm8k:test/0", "1000")]
    assert fake.downloads == [("openai/gsm8k", "main/test-00000-of-00001.parquet", SHA)]
    assert SHA in problems.source


def test_the_hub_and_the_local_folder_give_the_same_set(fake, data_dir):
    local = load("gsm8k:test", data_dir)
    lines = (data_dir / "gsm8k" / "test.jsonl").read_text("utf-8").splitlines()
    fake.put("main/test-00000-of-00001.parquet", rows=[json.loads(line) for line in lines])
    assert load("gsm8k:test").digest == local.digest


def test_mgsm_is_read_from_the_file_of_its_language(fake, data_dir):
    for code in ("de", "es"):
        fake.put(f"mgsm_{code}.tsv", data_dir / "mgsm" / f"mgsm_{code}.tsv")
    assert load("mgsm:es").digest == load("mgsm:es", data_dir).digest
    assert fake.downloads == [("juletxara/mgsm", "mgsm_es.tsv", SHA)]


def test_mgsm_in_parquet_form_takes_the_number_for_the_answer(fake):
    table = [
        {"question": "q", "answer": "Step by step: 7", "answer_number": 7, "equation_solution": "3+4=7"},
        {"question": "r", "answer": None, "answer_number": 8, "equation_solution": None},
    ]
    fake.put("de/test-00000-of-00001.parquet", rows=table)
    fake.put("de/train-00000-of-00001.parquet", rows=table[:1])
    first, second = load("mgsm:de")
    assert (first.answer, second.answer) == ("7", "8")
    assert first.meta == {"language": "de", "answer": "Step by step: 7", "equation_solution": "3+4=7"}


def test_gsm_hard_is_read_exactly(fake, data_dir):
    fake.put("gsmhardv2.jsonl", data_dir / "gsm_hard" / "gsmhardv2.jsonl")
    assert load("gsm_hard").digest == load("gsm_hard", data_dir).digest


def test_a_local_folder_without_the_set_falls_back_to_the_hub(fake, tmp_path):
    fake.put("main/test-00000-of-00001.parquet", rows=rows("5"))
    assert len(load("gsm8k:test", tmp_path)) == 1


def test_any_data_set_is_read_by_its_id(fake):
    for part in (1, 0):
        fake.put(f"data/test-0000{part}-of-00002.parquet", rows=rows(f"{part}0", f"{part}1"))
    problems = load("hub:some/set:test")
    assert [(p.id, p.answer) for p in problems] == [
        (f"some/set:test/{index}", answer) for index, answer in enumerate(["00", "01", "10", "11"])
    ]


def test_other_forms_are_read_from_the_parquet_copy_of_the_hub(fake):
    fake.put("README.md", __file__)
    fake.put("en/test/0000.parquet", rows=rows("5"), revision=CONVERTED)
    assert load("hub:some/set:en:test")[0].answer == "5"
    assert fake.downloads == [("some/set", "en/test/0000.parquet", SHA + CONVERTED)]


@pytest.mark.parametrize("converted", [False, True])
def test_a_data_set_without_readable_files_is_refused_with_what_it_has(fake, converted):
    fake.put("script.py", __file__)
    if converted:
        fake.put("en/test/0000.parquet", rows=rows("5"), revision=CONVERTED)
    with pytest.raises(ProblemError, match=r"script\.py"):
        load("hub:some/set:de")


def test_an_unreachable_hub_says_what_to_do(fake, monkeypatch):
    from huggingface_hub.errors import HTTPError

    def unreachable(*args, **kwargs):
        raise HTTPError("no route")

    monkeypatch.setattr(fake, "dataset_info", unreachable)
    with pytest.raises(ProblemError) as info:
        load("gsm8k:train")
    assert all(
        part in str(info.value) for part in ("gsm8k/train.jsonl", "no route", "CALCULEMUS_DATA", "--data")
    )


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.delenv("CALCULEMUS_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"gsm_hard.*--data.*calculemus\[hub\]"):
        load("gsm_hard")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/b", HubId("a/b")),
        ("a/b:test", HubId("a/b", None, "test")),
        ("a/b:main", HubId("a/b", "main")),
        ("a/b:main:extra", HubId("a/b", "main", "extra")),
    ],
)
def test_ids_are_read(text, expected):
    assert HubId.parse(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize("text", ["", "b", "a/b/c", "a/b:", "a/b::test", "a/b:c:d:e", "a b/c"])
def test_malformed_ids_are_refused(text):
    with pytest.raises(ProblemError, match="hub:ORG/NAME"):
        load(f"hub:{text}")


def test_ids_that_the_library_refuses_are_refused():
    pytest.importorskip("huggingface_hub")
    with pytest.raises(ProblemError, match="a--b"):
        load("hub:a--b/c")


@pytest.mark.parametrize(
    ("files", "wanted", "expected"),
    [
        (GSM8K, "a/b:socratic:train", ["socratic/train-00000-of-00001.parquet"]),
        (GSM8K, "a/b:main", ["main/test-00000-of-00001.parquet"]),
        (["mgsm_de.tsv", "mgsm_en.tsv"], "a/b:de:test", ["mgsm_de.tsv"]),
        (["data.csv", "x.jsonl", "dataset_infos.json"], "a/b", ["x.jsonl"]),
        (["b.jsonl", "a.jsonl"], "a/b:test", ["a.jsonl", "b.jsonl"]),
        (["train.jsonl"], "a/b", ["train.jsonl"]),
        (["latest/train.json"], "a/b", ["latest/train.json"]),
        (["test.parquet", "test.jsonl"], "a/b:test", ["test.parquet"]),
        (["other/test.parquet", "main/test.jsonl"], "a/b:main:test", ["main/test.jsonl"]),
        (["README.md"], "a/b", []),
        (GSM8K, "a/b:nothing", []),
    ],
)
def test_files_are_chosen_by_the_words_of_their_path(files, wanted, expected):
    assert choose(files, HubId.parse(wanted)) == expected


@pytest.mark.parametrize(
    ("files", "wanted", "found"),
    [
        (GSM8K, "a/b:test", "configs main, socratic"),
        (GSM8K, "a/b:main:dev", "no split 'dev'"),
        (["train.jsonl", "dev.jsonl"], "a/b", "splits train, dev"),
        (["train.jsonl"], "a/b:test", "no split 'test'"),
    ],
)
def test_ambiguous_and_missing_parts_are_refused_with_what_there_is(files, wanted, found):
    with pytest.raises(ProblemError, match=found):
        choose(files, HubId.parse(wanted))
