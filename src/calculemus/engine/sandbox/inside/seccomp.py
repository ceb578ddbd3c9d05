"""The filter of system calls, written in the kernel's own small machine language.

It lists what a computing Python needs: memory, reading files, clocks, writing to what is open. Everything
else answers "not permitted": processes, threads, sockets, signals to others, files for writing, mounts,
tracing.
"""

import ctypes
import errno
import struct
from collections.abc import Iterable, Iterator

from calculemus.engine.sandbox.inside import kernel

# struct seccomp_data: number at 0, architecture at 4, six 64-bit arguments from 16.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_IF_EQUAL, _IF_AT_LEAST = 0x15, 0x35
_KILL, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_DENY = _ERRNO | errno.EPERM
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000  # a second numbering that x86-64 kernels answer to

_SET_MODE_FILTER, _PR_SET_SECCOMP = 2, 22

# Name: (number on x86-64, number on aarch64); None where a machine does not have the call.
_ALLOWED: dict[str, tuple[int | None, int | None]] = {
    "futex": (202, 98), "mmap": (9, 222), "munmap": (11, 215), "mremap": (25, 216), "mprotect": (10, 226),
    "brk": (12, 214), "madvise": (28, 233), "read": (0, 63), "readv": (19, 65), "pread64": (17, 67),
    "write": (1, 64), "writev": (20, 66), "lseek": (8, 62), "close": (3, 57), "close_range": (436, 436),
    "fstat": (5, 80), "stat": (4, None), "lstat": (6, None), "newfstatat": (262, 79), "statx": (332, 291),
    "getdents64": (217, 61), "readlink": (89, None), "readlinkat": (267, 78), "access": (21, None),
    "faccessat": (269, 48), "getcwd": (79, 17), "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24),
    "pipe": (22, None), "pipe2": (293, 59), "fadvise64": (221, 223), "poll": (7, None), "ppoll": (271, 73),
    "select": (23, None), "pselect6": (270, 72), "clock_gettime": (228, 113), "clock_getres": (229, 114),
    "gettimeofday": (96, 169), "time": (201, None), "nanosleep": (35, 101), "clock_nanosleep": (230, 115),
    "times": (100, 153), "getrusage": (98, 165), "getrandom": (318, 278), "uname": (63, 160),
    "sysinfo": (99, 179), "getrlimit": (97, 163), "sched_yield": (24, 124), "sched_getaffinity": (204, 123),
    "getpid": (39, 172), "gettid": (186, 178), "getppid": (110, 173), "getuid": (102, 174),
    "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177), "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "setitimer": (38, 103), "alarm": (37, None), "restart_syscall": (219, 128), "rseq": (334, 293),
    "set_robust_list": (273, 99), "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip

# Asked for before an older call is tried, so that "not permitted" would stop the library from trying it.
_ABSENT: dict[str, tuple[int | None, int | None]] = {
    "clone3": (435, 435), "openat2": (437, 437), "faccessat2": (439, 439),
}  # fmt: skip

# O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND, O_ASYNC and the bit that is O_TMPFILE's own.
_WRITING = 0x1 | 0x2 | 0x40 | 0x200 | 0x400 | 0x2000 | 0x400000
_FCNTL = (1, 2, 3, 4, 1030)  # flags of descriptors and of files, F_DUPFD_CLOEXEC
_IOCTL = (0x5401, 0x541B, 0x5450, 0x5451)  # is it a terminal, bytes waiting, close-on-exec
_SELF = 1  # a run is process 1 of its own namespace

# Name: numbers, index of the argument, the mask put over it, the values that are let through.
_CHECKED: dict[str, tuple[tuple[int | None, int | None], int, int, tuple[int, ...]]] = {
    "openat": ((257, 56), 2, _WRITING, (0,)),
    "open": ((2, None), 1, _WRITING, (0,)),
    "fcntl": ((72, 25), 1, 0xFFFFFFFF, _FCNTL),
    "ioctl": ((16, 29), 1, 0xFFFFFFFF, _IOCTL),
    "prlimit64": ((302, 261), 0, 0xFFFFFFFF, (0,)),
    "kill": ((62, 129), 0, 0xFFFFFFFF, (_SELF,)),
    "tkill": ((200, 130), 0, 0xFFFFFFFF, (_SELF,)),
    "tgkill": ((234, 131), 0, 0xFFFFFFFF, (_SELF,)),
}

Instruction = tuple[int, int, int, int]


def machines() -> tuple[str, ...]:
    """Return the machines that there is a filter for."""
    return tuple(_AUDIT)


def _column(machine: str) -> int:
    return list(_AUDIT).index(machine)


def _numbers(table: Iterable[tuple[int | None, int | None]], column: int) -> Iterator[int]:
    return (number for numbers in table if (number := numbers[column]) is not None)


def _answer(number: int, verdict: int) -> Iterator[Instruction]:
    yield (_IF_EQUAL, 0, 1, number)
    yield (_RETURN, 0, 0, verdict)


def _check(
    number: int, argument: int, mask: int, allowed: tuple[int, ...], refusal: int
) -> list[Instruction]:
    block: list[Instruction] = [(_LOAD, 0, 0, _ARGUMENTS + 8 * argument), (_AND, 0, 0, mask)]
    for value in allowed:
        block += _answer(value, _ALLOW)
    block.append((_RETURN, 0, 0, refusal))
    return [(_IF_EQUAL, 0, len(block), number), *block]


def instructions(machine: str) -> list[Instruction]:
    """Write the filter for a machine, hot calls first."""
    column = _column(machine)
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, _AUDIT[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        program += [(_IF_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _DENY)]
    for number in _numbers(_ALLOWED.values(), column):
        program += _answer(number, _ALLOW)
    for number in _numbers(_ABSENT.values(), column):
        program += _answer(number, _ERRNO | errno.ENOSYS)
    for name, (numbers, argument, mask, allowed) in _CHECKED.items():
        number = numbers[column]
        if number is not None:
            refusal = _ERRNO | (errno.ENOTTY if name == "ioctl" else errno.EPERM)
            program += _check(number, argument, mask, allowed, refusal)
    program.append((_RETURN, 0, 0, _DENY))
    return program


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def assemble(program: Iterable[Instruction]) -> bytes:
    """Write instructions as the kernel reads them (struct sock_filter)."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


class Filter:
    """A filter, assembled once and installed in every child."""

    def __init__(self, machine: str) -> None:
        self._code = assemble(instructions(machine))
        self._program = _Program(len(self._code) // 8, self._code)

    def install(self) -> None:
        """Put the filter over this process, for good."""
        kernel.forbid_new_privileges()
        kernel.call("prctl", _PR_SET_SECCOMP, _SET_MODE_FILTER, ctypes.byref(self._program), 0, 0)
