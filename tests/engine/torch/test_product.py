"""Products with weights: close to float64, and the same bits for a row whatever stands beside it."""

import pytest
import torch

from calculemus.engine.torch_engine import product
from calculemus.rng import Rng

SHAPES = [(16, 32, 48), (2, 7, 5), (33, 384, 128), (128, 130, 1000), (1, 1, 1)]


def numbers(*shape: int, name: str) -> torch.Tensor:
    return torch.from_numpy(Rng(81).child(name, *shape).generator().standard_normal(shape)).float()


@pytest.fixture(params=[True, False], ids=["onednn", "without"], autouse=True)
def way(request, monkeypatch) -> None:
    """Take oneDNN where it is there, and do without it."""
    if request.param and not product.HAS_ONEDNN:
        pytest.skip("this torch has no oneDNN")
    monkeypatch.setattr(product, "HAS_ONEDNN", request.param)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_products_are_those_of_float64_but_for_rounding(shape, has_bias, dtype) -> None:
    n, n_in, n_out = shape
    inputs, weight = numbers(n, n_in, name="inputs").to(dtype), numbers(n_out, n_in, name="weight").to(dtype)
    onto = numbers(n, n_out, name="onto").to(dtype)
    bias = numbers(n_out, name="bias").to(dtype) if has_bias else None
    given = [tensor.clone() for tensor in (inputs, weight, onto)]
    wanted = inputs.double() @ weight.double().t() + (bias.double() if bias is not None else 0)
    # Rounding errors of a sum are below its terms' sizes added up; two roundings of bfloat16 come behind.
    bound = inputs.double().abs() @ weight.double().abs().t() + onto.double().abs() + 4
    allowed = bound * (n_in * 2.0**-24 + (0 if dtype == torch.float32 else 3 * 2.0**-8))
    found, added = product.multiply(inputs, weight, bias), product.add_product(onto, inputs, weight, bias)
    assert found.dtype == added.dtype == dtype
    assert ((found.double() - wanted).abs() <= allowed).all()
    assert ((added.double() - wanted - onto.double()).abs() <= allowed).all()
    for tensor, before in zip((inputs, weight, onto), given, strict=True):
        assert torch.equal(tensor, before)  # nothing is written in place


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_row_has_the_same_bits_among_16_rows_and_among_many(n_threads) -> None:
    inputs, onto = numbers(300, 384, name="rows"), numbers(300, 160, name="onto")
    weight, bias = numbers(160, 384, name="w"), numbers(160, name="b")
    torch.set_num_threads(n_threads)
    whole, added = product.multiply(inputs, weight, bias), product.add_product(onto, inputs, weight)
    backwards = product.multiply(inputs.flip(0), weight, bias).flip(0)
    assert torch.equal(whole, backwards)
    if product.HAS_ONEDNN:  # without it the engine measures which counts of rows it may take
        for start, n in ((0, 16), (37, 16), (100, 48), (299 - 128, 128)):
            rows = slice(start, start + n)
            assert torch.equal(product.multiply(inputs[rows], weight, bias), whole[rows])
            assert torch.equal(product.add_product(onto[rows], inputs[rows], weight), added[rows])
