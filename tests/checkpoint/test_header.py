"""Headers: what is valid is read as the safetensors library reads it; what is not is a named error."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from calculemus.checkpoint.dtypes import DTYPES
from calculemus.checkpoint.header import NewTensor, read_header, write_header
from calculemus.errors import CheckpointError

TORCH = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E4M3": torch.float8_e4m3fn,
    "I64": torch.int64,
    "U64": torch.uint64,
    "I32": torch.int32,
    "U32": torch.uint32,
    "I16": torch.int16,
    "U16": torch.uint16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "C64": torch.complex64,
}


def entry(dtype: str = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def assemble(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


BROKEN: dict[str, tuple[bytes, str]] = {
    "an empty file": (b"", "0 bytes; expected a header"),
    "half a length": (b"\x08\x00\x00", "3 bytes; expected a header"),
    "a header longer than the file": (assemble({}, length=10), "announces a header of 10 bytes"),
    "a huge header": (assemble({}, length=2**63), "announces a header of"),
    "no JSON": (assemble(b"{nothing"), "no JSON"),
    "another encoding": (assemble('{"a": 1}'.encode("utf-16")), "no JSON"),
    "a list": (assemble([]), "is a list"),
    "nested too deeply": (assemble(b"[" * 100_000), "no JSON"),
    "a number of ten thousand digits": (assemble(b'{"a":' + b"9" * 10_000 + b"}"), "no JSON"),
    "metadata of numbers": (assemble({"__metadata__": {"a": 1}}), "'__metadata__'"),
    "metadata that is text": (assemble({"__metadata__": "a"}), "'__metadata__'"),
    "a name twice": (
        assemble(b'{"a":%s,"a":%s}' % ((json.dumps(entry()).encode(),) * 2), bytes(8)),
        "'a' stands in the header twice",
    ),
    "half a surrogate": (assemble(b'{"\\ud800":%s}' % json.dumps(entry()).encode(), bytes(8)), "half a sign"),
    "a tensor that is a number": (assemble({"a": 1}), "described as 1"),
    "a field missing": (assemble({"a": {"dtype": "F32", "shape": [2]}}, bytes(8)), "described as"),
    "a field too many": (assemble({"a": {**entry(), "layout": 1}}, bytes(8)), "described as"),
    "an unknown dtype": (assemble({"a": entry("f32")}, bytes(8)), "has the dtype 'f32'; did you mean"),
    "a dtype that is no text": (assemble({"a": {**entry(), "dtype": 4}}, bytes(8)), "has the dtype '4'"),
    "a negative size": (assemble({"a": entry(shape=(-2,))}, bytes(8)), "has the shape [-2]"),
    "a size that is true": (
        assemble({"a": entry(shape=(True,), offsets=(0, 4))}, bytes(4)),
        "the shape [True]",
    ),
    "a size with a point": (assemble({"a": entry(shape=(2.0,))}, bytes(8)), "has the shape [2.0]"),
    "a size that overflows": (assemble({"a": entry(shape=(2**62, 8))}, bytes(8)), "has 8 bytes; expected"),
    "three offsets": (assemble({"a": entry(offsets=(0, 4, 8))}, bytes(8)), "the place [0, 4, 8]"),
    "offsets the wrong way": (assemble({"a": entry(offsets=(8, 0))}, bytes(8)), "has -8 bytes"),
    "a place of another size": (assemble({"a": entry(offsets=(0, 4))}, bytes(4)), "has 4 bytes; expected 8"),
    "a gap": (
        assemble({"a": entry(), "b": entry(offsets=(12, 20))}, bytes(20)),
        "'b' begins at byte",
    ),
    "an overlap": (
        assemble({"a": entry(), "b": entry(offsets=(4, 12))}, bytes(12)),
        "overlaps the one before",
    ),
    "a gap at the start": (assemble({"a": entry(offsets=(4, 12))}, bytes(12)), "leaves a gap"),
    "tensors cut off": (assemble({"a": entry()}, bytes(7)), "the tensors end at byte"),
    "bytes behind the tensors": (assemble({"a": entry()}, bytes(9)), "the tensors end at byte"),
    "a pickle of torch": (b"PK\x03\x04" + bytes(40), "pickle"),
    "an old pickle of torch": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "pickle"),
    "GGUF": (b"GGUF\x03\x00\x00\x00" + bytes(40), "GGUF"),
    "text": (b"version https://git-lfs.github.com/spec/v1\n", "no safetensors file"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_an_error_that_names_what_is_wrong(what: str, tmp_path: Path) -> None:
    data, message = BROKEN[what]
    path = tmp_path / "m.safetensors"
    path.write_bytes(data)
    with pytest.raises(CheckpointError) as raised:
        read_header(path)
    assert message in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_folder_and_a_file_that_is_not_there_are_errors(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(CheckpointError, match="expected a safetensors file"):
            read_header(path)


def test_a_header_of_640_bytes_is_no_pickle(tmp_path: Path) -> None:
    # Its length begins with the two bytes that pickles begin with.
    for n_bytes in (0x0280, 0x0380, 0x0480, 0x0580):
        text = json.dumps({"a": entry()}).encode().ljust(n_bytes)
        path = tmp_path / f"{n_bytes}.safetensors"
        path.write_bytes(assemble(text, bytes(8)))
        assert read_header(path).entries[0].name == "a"


SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)
TENSORS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(lambda name: name != "__metadata__"),
    st.tuples(st.sampled_from(sorted(TORCH)), SHAPES),
    max_size=6,
)


def as_library(path: Path) -> dict[str, tuple[tuple[int, ...], bytes]]:
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dictionary
    return {
        name: (tuple(t.shape), bytes(t.reshape(-1).view(torch.uint8).tolist()) if t.numel() else b"")
        for name, t in tensors.items()
    }


def as_here(path: Path) -> dict[str, tuple[tuple[int, ...], bytes]]:
    data = path.read_bytes()
    return {e.name: (e.shape, data[e.start : e.start + e.n_bytes]) for e in read_header(path).entries}


@given(TENSORS, st.integers(0, 255))
def test_files_of_the_library_are_read_as_it_reads_them(
    tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, Any], fill: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "library.safetensors"
    made = {}
    for number, (name, (dtype, shape)) in enumerate(tensors.items()):
        n_bytes = DTYPES[dtype].n_bytes * torch.Size(shape).numel()
        data = torch.full((n_bytes,), (fill + number) % (2 if dtype == "BOOL" else 256), dtype=torch.uint8)
        made[name] = data.view(TORCH[dtype]).reshape(shape)
    path.write_bytes(save(made, {"format": "pt"}))
    assert as_here(path) == as_library(path)
    assert {e.name: e.dtype.name for e in read_header(path).entries} == {
        n: d for n, (d, _) in tensors.items()
    }
    assert read_header(path).metadata == {"format": "pt"}


@given(TENSORS, st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3))
def test_what_is_written_here_is_read_here_and_by_the_library(
    tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, Any], metadata: dict[str, str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "here.safetensors"
    wanted = [NewTensor(name, DTYPES[dtype], shape) for name, (dtype, shape) in tensors.items()]
    clean = {
        k.encode("utf-8", "ignore").decode(): v.encode("utf-8", "ignore").decode()
        for k, v in metadata.items()
    }
    head, starts = write_header(wanted, clean)
    path.write_bytes(head + bytes(sum(tensor.n_bytes for tensor in wanted)))
    header = read_header(path)
    assert {e.name: (e.dtype, e.shape, e.start) for e in header.entries} == {
        tensor.name: (tensor.dtype, tensor.shape, starts[tensor.name]) for tensor in wanted
    }
    assert header.metadata == clean
    assert as_here(path) == as_library(path)


VALID = assemble({"b": entry("BF16", (2, 3), (0, 12)), "a": entry("I8", (), (12, 13))}, bytes(13))


@given(st.data())
def test_a_damaged_file_is_an_error_or_read_as_the_library_reads_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    damaged = bytearray(VALID)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(VALID) - 14))] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged[: data.draw(st.sampled_from([len(VALID), len(VALID) - 1, 9]))])
    try:
        found = as_here(path)
    except CheckpointError:
        return
    assert found == as_library(path)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_error_or_a_file(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    path.write_bytes(data)
    try:
        read_header(path)
    except CheckpointError:
        with pytest.raises(SafetensorError):
            as_library(path)
