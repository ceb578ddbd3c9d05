"""The few system calls that Python has no function for, by ``ctypes``."""

import ctypes
import os
import platform
from typing import Any

MACHINE = platform.machine()

# Numbers of calls without a function in older C libraries; those above 400 are the same on all machines.
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
OPEN_TREE = 428
MOVE_MOUNT = 429
MOUNT_SETATTR = 442

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_SIGKILL = 9
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: Any) -> int:
    """Call a function of the C library that answers -1 on failure.

    Raises:
        OSError: It failed; the message names the function.
    """
    result = getattr(_libc, name)(*arguments)
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


def syscall(number: int, what: str, *arguments: Any) -> int:
    """Call the kernel by number.

    Raises:
        OSError: It failed; the message starts with ``what``.
    """
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = _libc.syscall(ctypes.c_long(number), *wide)
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def drop_capabilities() -> None:
    """Give up every capability, for good once no program can be executed any more."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    call("capset", header, nothing)


def forbid_new_privileges() -> None:
    """Make set-user-id programs powerless; the kernel asks for it before it takes a filter."""
    call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def die_with_parent() -> None:
    """Be killed when the parent process ends."""
    call("prctl", _PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)


def own_proc_entry() -> None:
    """Keep /proc/self ours after a change of user, which hands it to root otherwise."""
    call("prctl", _PR_SET_DUMPABLE, 1, 0, 0, 0)
