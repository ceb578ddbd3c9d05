"""Numbers from bytes and back: exact up, rounded once to the nearest (ties to even) down."""

import numpy as np
from numpy.typing import NDArray

from calculemus.checkpoint.dtypes import Dtype

_NUMPY = {"F64": np.float64, "F32": np.float32, "F16": np.float16}
_SIGN_AND_EXPONENT_ONES = np.uint32(0x7F800000)


def to_float32(data: bytes, dtype: Dtype) -> NDArray[np.float32]:
    """Return the numbers of a float dtype in float32, flat; float64 is rounded."""
    if dtype.name == "BF16":
        return (np.frombuffer(data, np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)
    with np.errstate(over="ignore"):
        return np.frombuffer(data, _NUMPY[dtype.name]).astype(np.float32)


def from_float32(values: NDArray[np.float32], dtype: Dtype) -> bytes:
    """Return numbers as bytes of a float dtype."""
    if dtype.name != "BF16":
        with np.errstate(over="ignore"):
            return values.astype(_NUMPY[dtype.name]).tobytes()
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    # A NaN must stay one: its low bits could carry it into infinity.
    is_nan = (bits & np.uint32(0x7FFFFFFF)) > _SIGN_AND_EXPONENT_ONES
    quiet = (bits >> np.uint32(16)) | np.uint32(0x40)
    return np.where(is_nan, quiet, rounded).astype(np.uint16).tobytes()
