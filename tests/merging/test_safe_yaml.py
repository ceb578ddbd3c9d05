"""YAML from strangers: plain data is read, all else is refused at once."""

import itertools
from pathlib import Path

import pytest

from calculemus.errors import InvalidParameterError
from calculemus.merging.safe_yaml import read_yaml

pytest.importorskip("yaml", reason="YAML needs the extra merge")

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]" for before, name in itertools.pairwise("abcdefghij")
)
MERGES = "a: &a {k: 1}\n" + "\n".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 10)}]}}"
    for before, name in itertools.pairwise("abcdefghij")
)
HOSTILE = {
    "bomb": (BOMB, "aliases that come to more than"),
    "bomb of merges": (MERGES, "aliases that come to more than"),
    "recursive": ("a: &a [*a]", "an alias that holds itself"),
    "python": ("!!python/object/apply:os.system ['exit 3']", "could not determine a constructor"),
    "python name": ("a: !!python/name:os.system", "could not determine a constructor"),
    "own tag": ("a: !secret 3", "could not determine a constructor"),
    "deep": ("[" * 20_000, "expected plain YAML"),
    "twice": ("merge_method: ties\nmerge_method: linear", "the key 'merge_method' twice"),
    "two documents": ("a: 1\n---\nb: 2", "expected a single document"),
    "no text": ("a: \x01", "expected plain YAML"),
    "long number": ("a: " + "9" * 5000, "expected plain YAML"),
    "too long": ("# " + "x" * 1_000_000, "longer than 1,000,000 bytes"),
    "unhashable": ("? [a, b]\n: 1", "expected plain YAML"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_yaml_is_refused_at_once(name: str, tmp_path: Path) -> None:
    text, message = HOSTILE[name]
    path = tmp_path / "config.yml"
    path.write_text(text, "utf-8")
    with pytest.raises(InvalidParameterError) as caught:
        read_yaml(path)
    assert message in str(caught.value)


def test_plain_yaml_with_few_aliases_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    path.write_text("a: &a {x: 1}\nb: [*a, *a]\nc: {<<: *a, y: 2}", "utf-8")
    assert read_yaml(path) == {"a": {"x": 1}, "b": [{"x": 1}, {"x": 1}], "c": {"x": 1, "y": 2}}
    for missing in (tmp_path / "none.yml", tmp_path):
        with pytest.raises(InvalidParameterError, match="expected plain YAML"):
            read_yaml(missing)
    path.write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(InvalidParameterError, match="expected plain YAML"):
        read_yaml(path)
