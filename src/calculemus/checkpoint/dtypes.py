"""Number formats of tensors in safetensors files."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dtype:
    """A number format.

    Attributes:
        name: As it stands in a header.
        n_bytes: Of one element.
        is_float: Whether a merge computes with it; others are copied.
    """

    name: str
    n_bytes: int
    is_float: bool = False


DTYPES = {
    dtype.name: dtype
    for dtype in (
        Dtype("F64", 8, is_float=True),
        Dtype("F32", 4, is_float=True),
        Dtype("F16", 2, is_float=True),
        Dtype("BF16", 2, is_float=True),
        Dtype("F8_E5M2", 1),
        Dtype("F8_E4M3", 1),
        Dtype("I64", 8),
        Dtype("U64", 8),
        Dtype("I32", 4),
        Dtype("U32", 4),
        Dtype("I16", 2),
        Dtype("U16", 2),
        Dtype("I8", 1),
        Dtype("U8", 1),
        Dtype("BOOL", 1),
        Dtype("C64", 8),
    )
}
BY_TORCH_NAME = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}
"""Names that people and Hugging Face configurations use."""
