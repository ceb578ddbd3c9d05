"""The catalog: every system has a card, broken cards harm no others, strangers' methods are found."""

import subprocess
import sys
from pathlib import Path

import pytest

from calculemus import catalog
from calculemus.card import ROOMS
from calculemus.catalog import claim_path, code_path, load, load_claim, path_of_test, read_catalog
from calculemus.errors import CardError

N_SYSTEMS = 144
N_OF_ROOM = {
    "curating": 24,
    "evaluating": 9,
    "merging": 27,
    "numerics": 18,
    "probing": 21,
    "proving": 4,
    "solving": 21,
    "training": 20,
}
INDEX = Path(__file__).resolve().parents[2] / "shared" / "systems" / "INDEX.tsv"
CARD = (Path(__file__).parent / "test_card.py").read_text("utf-8").partition('GOOD = """\n')[2]
CARD = CARD.partition('"""')[0]


def add(folder: Path, name: str, text: str = CARD) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(text.replace('"abacus', f'"{name}'), "utf-8")
    return path


@pytest.fixture(autouse=True)
def no_cards_of_the_user(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "nothing"))
    monkeypatch.delenv(catalog.CARDS_VARIABLE, raising=False)


def test_every_system_of_the_feed_has_a_card_in_its_room() -> None:
    found = read_catalog()
    assert not found.faults
    systems = [card for card in found if card.is_system]
    assert len(systems) == N_SYSTEMS
    assert {room: sum(card.room == room for card in systems) for room in ROOMS} == N_OF_ROOM
    for card in found:
        assert card.path.parent.name == card.room


@pytest.mark.skipif(not INDEX.is_file(), reason="the list of systems is not beside the checkout")
def test_ids_rooms_titles_and_pages_are_those_of_the_list() -> None:
    rows = [line.split("\t") for line in INDEX.read_text("utf-8").splitlines()[1:]]
    listed = {(name, room, title, tuple(pages.split("+"))) for name, room, _, pages, title in rows}
    assert listed == {(c.id, c.room, c.title, c.feed) for c in read_catalog() if c.is_system}


def test_no_two_methods_share_a_name() -> None:
    names = [name for card in read_catalog() for name in (card.id, *card.aliases)]
    assert len(names) == len(set(names))


def test_reading_all_cards_imports_no_method_and_nothing_large() -> None:
    program = (
        "import sys\nfrom calculemus.catalog import read_catalog\n"
        "from calculemus.claims.status import entries\n"
        "assert len(list(entries(read_catalog()))) >= 144\n"
        "print(*(m for m in sys.modules if m.startswith('calculemus.')), *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert not modules & {"torch", "numpy", "scipy", "sympy", "transformers"}
    assert not {name for name in modules if name.startswith("calculemus.solving.")}


def test_a_method_is_found_by_id_and_alias_and_near_names_are_suggested() -> None:
    found = read_catalog()
    assert found.get("pal").id == "pal"
    alias = next(card for card in found if card.aliases)
    assert found.get(alias.aliases[0]) is alias
    with pytest.raises(CardError, match=r"none of that name; did you mean"):
        found.get("adamergin")


def test_broken_and_double_cards_are_faults_and_the_others_work(tmp_path) -> None:
    add(tmp_path / "mine", "abacus")
    add(tmp_path / "mine", "broken", "id = 3")
    add(tmp_path / "mine", "pal")
    found = read_catalog(tmp_path / "mine")
    assert found.get("abacus").title == "An abacus"
    assert len(found.faults) == 2
    assert "broken.toml" in str(found.faults[0])
    assert "the id 'pal' is taken by" in str(found.faults[1])
    assert len(found.cards) == len(read_catalog().cards) + 1


def test_a_built_method_takes_the_place_of_a_planned_one(tmp_path) -> None:
    planned = next(card.id for card in read_catalog().cards if not card.entry)
    path = add(tmp_path / "mine", planned)
    assert read_catalog(path).get(planned).path == path


def test_cards_come_from_a_variable_and_from_the_users_folder(tmp_path, monkeypatch) -> None:
    add(tmp_path / "one", "abacus")
    monkeypatch.setenv(catalog.CARDS_VARIABLE, str(tmp_path / "one"))
    catalog._read_all.cache_clear()
    assert read_catalog().get("abacus")
    monkeypatch.delenv(catalog.CARDS_VARIABLE)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    (tmp_path / "calculemus").mkdir()
    add(catalog.local_cards(), "slide_rule")
    catalog._read_all.cache_clear()
    assert read_catalog().get("slide_rule")
    catalog._read_all.cache_clear()


def test_a_folder_that_is_not_there_is_an_error(tmp_path) -> None:
    with pytest.raises(CardError, match=r"found nothing at .*nowhere"):
        read_catalog(tmp_path / "nowhere")


def test_a_method_in_a_folder_is_imported_from_there(tmp_path) -> None:
    path = add(tmp_path / "mine", "abacus")
    (path.parent / "abacus.py").write_text("class Abacus:\n    beads = 10\n")
    (path.parent / "abacus_claim.py").write_text("CLAIM = 3\n")
    (path.parent / "test_abacus.py").write_text("")
    card = read_catalog(path.parent).get("abacus")
    assert load(card).beads == 10
    assert load(card) is load(card)
    assert load_claim(card).CLAIM == 3
    assert code_path(card) == path.with_suffix(".py")
    assert (claim_path(card), path_of_test(card)) == (
        path.parent / "abacus_claim.py",
        path.parent / "test_abacus.py",
    )


def test_paths_of_our_own_methods_are_found() -> None:
    card = read_catalog().get("vote")
    names = [path and path.name for path in (code_path(card), claim_path(card), path_of_test(card))]
    assert names == ["vote.py", "vote_claim.py", "test_vote.py"]
    planned = read_catalog().get("kfac_edit")
    assert (code_path(planned), claim_path(planned)) == (None, None)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (None, "importing abacus found ModuleNotFoundError"),
        ("import no_such_module_anywhere", "no_such_module_anywhere.*expected a module that imports"),
        ("raise SystemError('broken')", "SystemError: broken"),
        ("Abakus = 3", "the module abacus has no 'Abacus'"),
    ],
)
def test_an_entry_that_does_not_import_is_named(tmp_path, code, message) -> None:
    path = add(tmp_path / "mine", "abacus")
    if code is not None:
        path.with_suffix(".py").write_text(code)
    with pytest.raises(CardError, match=message):
        load(read_catalog(path.parent).get("abacus"))


def test_a_planned_method_and_a_missing_claim_say_so(tmp_path) -> None:
    with pytest.raises(CardError, match="it is planned, there is no code yet"):
        load(read_catalog().get("kfac_edit"))
    with pytest.raises(CardError, match=r"there is none; expected .*tir_claim\.py"):
        load_claim(read_catalog().get("tir"))
