"""The filter of system calls: run by a small machine of our own, its numbers held against the kernel's."""

import errno
import re
import struct
from pathlib import Path

import pytest

from calculemus.engine.sandbox.inside import seccomp

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
# Names that the headers give these calls where a pointer's width decides.
WIDE = {"newfstatat": "fstatat"}


def judge(machine: str, number: int, arguments: tuple[int, ...] = (), architecture: int | None = None) -> int:
    """Run the filter over one system call, as the kernel does; return its verdict."""
    wide = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("=IIQ6Q", number & 0xFFFFFFFF, architecture or ARCHITECTURES[machine], 0, *wide)
    code = seccomp.assemble(seccomp.instructions(machine))
    accumulator, at = 0, 0
    while True:
        operation, if_true, if_false, value = struct.unpack_from("=HBBI", code, 8 * at)
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif operation == 0x54:
            accumulator &= value
        elif operation in (0x15, 0x35):
            holds = accumulator == value if operation == 0x15 else accumulator >= value
            at += if_true if holds else if_false
        elif operation == 0x06:
            return value
        else:
            raise ValueError(f"operation {operation:#x}")


def number_of(machine: str, name: str) -> int | None:
    column = list(ARCHITECTURES).index(machine)
    tables = (seccomp._ALLOWED, seccomp._ABSENT, {name: row[0] for name, row in seccomp._CHECKED.items()})
    return next(table[name][column] for table in tables if name in table)


NAMES = [*seccomp._ALLOWED, *seccomp._ABSENT, *seccomp._CHECKED]


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_the_numbers_are_those_of_the_kernel(machine: str) -> None:
    header = HEADERS[machine]
    if not header.exists():
        pytest.skip(f"{header} comes with the C library's headers, which are not installed")
    defined = dict(re.findall(r"#define (__NR\w+)\s+(\d+)", header.read_text()))
    for name in NAMES:
        number = number_of(machine, name)
        names = (f"__NR_{name}", f"__NR3264_{WIDE.get(name, name)}")
        if machine == "aarch64" and name == "getrlimit":
            continue  # behind a condition that the header leaves to its includer
        found = next((int(defined[known]) for known in names if known in defined), None)
        if found is None or number is None:
            assert number is None or number > 434, name  # not on this machine, or younger than the headers
        else:
            assert number == found, name


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_only_what_is_listed_is_allowed(machine: str) -> None:
    listed = {number_of(machine, name) for name in seccomp._ALLOWED} - {None}
    checked = {number_of(machine, name) for name in seccomp._CHECKED} - {None}
    allowed = {number for number in range(600) if judge(machine, number) == ALLOW}
    assert listed <= allowed
    assert allowed - listed <= checked
    assert judge(machine, 999) == ERRNO | errno.EPERM


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_files_open_for_reading_only(machine: str) -> None:
    openat = number_of(machine, "openat")
    assert openat is not None
    for flags in (0, 0x80000, 0x10000, 0x20000):  # close-on-exec, folders, no links
        assert judge(machine, openat, (0, 0, flags)) == ALLOW
    for flag in (
        1,
        2,
        0x40,
        0x200,
        0x400,
        0x410000,
    ):  # write, read and write, create, truncate, append, unnamed
        assert judge(machine, openat, (0, 0, flag | 0x80000)) == ERRNO | errno.EPERM


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_signals_and_limits_reach_only_the_process_itself(machine: str) -> None:
    for name in ("kill", "tgkill", "tkill"):
        number = number_of(machine, name)
        assert number is not None
        assert judge(machine, number, (1,)) == ALLOW
        for process in (0, 2, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF):
            assert judge(machine, number, (process,)) == ERRNO | errno.EPERM
    limits = number_of(machine, "prlimit64")
    assert limits is not None
    assert judge(machine, limits, (0,)) == ALLOW
    assert judge(machine, limits, (1,)) == ERRNO | errno.EPERM


def test_calls_of_another_machine_kill_and_a_second_numbering_is_refused() -> None:
    for machine in ARCHITECTURES:
        assert judge(machine, 0, architecture=0x40000003) == KILL
    assert judge("x86_64", 0x40000000) == ERRNO | errno.EPERM
    assert judge("x86_64", 0xFFFFFFFF) == ERRNO | errno.EPERM


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_new_forms_of_calls_say_that_they_do_not_exist(machine: str) -> None:
    for name in seccomp._ABSENT:
        number = number_of(machine, name)
        assert number is not None
        assert judge(machine, number) == ERRNO | errno.ENOSYS


def test_every_machine_named_has_a_filter_that_the_kernel_takes() -> None:
    assert seccomp.machines() == tuple(ARCHITECTURES)
    for machine in ARCHITECTURES:
        assert 50 < len(seccomp.instructions(machine)) < 4096
