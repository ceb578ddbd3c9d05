"""How a model wants to be asked stands in its folder."""

import pytest

from calculemus.engine.torch_engine.wishes import read_wishes
from calculemus.errors import EngineError


def test_the_prompt_set_of_a_folder_is_a_fact_of_its_engine(tmp_path) -> None:
    (tmp_path / "calculemus.toml").write_text('prompts = "tiny"\n', "utf-8")
    assert read_wishes(tmp_path) == {"prompts": "tiny"}


def test_a_folder_without_wishes_adds_nothing(tmp_path) -> None:
    assert read_wishes(tmp_path) == read_wishes(None) == {}
    (tmp_path / "calculemus.toml").write_text("# nothing\n", "utf-8")
    assert read_wishes(tmp_path) == {}


@pytest.mark.parametrize("text", [b"prompts = ", b"prompts = 3\n", b"\xff"])
def test_wishes_that_cannot_be_read_are_an_error_that_names_the_file(tmp_path, text) -> None:
    (tmp_path / "calculemus.toml").write_bytes(text)
    with pytest.raises(EngineError, match=r"calculemus\.toml"):
        read_wishes(tmp_path)
