"""One thread for a while."""

import pytest
import torch

from calculemus.tuning.threads import one_thread


def test_threads_are_one_inside_and_as_before_behind_even_after_an_error() -> None:
    torch.set_num_threads(2)
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    with pytest.raises(RuntimeError, match="inside"), one_thread():
        raise RuntimeError("inside")
    assert torch.get_num_threads() == 2
