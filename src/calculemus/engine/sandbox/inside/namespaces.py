"""Leave the machine: a process without files, network, other processes or rights of its own.

The new root is an empty file system in memory with read-only views of the given folders and nothing else. Two
roads lead there. An ordinary user makes a user namespace first and builds everything in it. Root builds the
mounts as root and then becomes ``nobody`` in a user namespace, so that no file of root's is ever within
reach.
"""

import ctypes
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from calculemus.engine.sandbox.inside import kernel
from calculemus.errors import SandboxUnavailableError

NOBODY = 65534
_RIGHTS_OF_ROOT = (6, 7, 21)  # CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN
INSIDE_ID = 1000  # the number that the user has inside; nothing depends on it

_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 1
_O_CLOEXEC = 0o2000000
_MOVE_FROM_DESCRIPTOR = 4  # MOVE_MOUNT_F_EMPTY_PATH
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 16384, 1 << 18
_MNT_DETACH = 2
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_STAGE = "/tmp"  # any folder: our own copy of the mount table is covered there, and left behind


@dataclass(frozen=True)
class View:
    """What can be seen inside, all of it read-only, at the paths that it has outside.

    Attributes:
        folders: Folders and files that can be read.
        hidden: Folders within them that look empty.
        packages: Folders and files laid over all that.
    """

    folders: Sequence[str]
    hidden: Sequence[str]
    packages: Sequence[str]


class _MountAttributes(ctypes.Structure):
    """struct mount_attr."""

    _fields_ = tuple((name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "user_namespace"))


def _step(what: str, action: Callable[[], object]) -> None:
    try:
        action()
    except OSError as problem:
        raise SandboxUnavailableError(f"{what}: {problem.strerror or problem}") from problem


def _make_read_only(descriptor: int, path: bytes, flags: int) -> None:
    wanted = _MountAttributes(_ATTR_RDONLY | _ATTR_NOSUID | _ATTR_NODEV, 0, 0, 0)
    size = ctypes.sizeof(wanted)
    arguments = (descriptor, path, flags | _AT_RECURSIVE, ctypes.byref(wanted), size)
    kernel.syscall(kernel.MOUNT_SETATTR, "mount_setattr", *arguments)


@dataclass(frozen=True)
class _Copy:
    """A read-only copy of part of the mount table, not attached anywhere yet."""

    path: str
    is_folder: bool
    tree: int

    @classmethod
    def of(cls, path: str) -> "_Copy":
        flags = _OPEN_TREE_CLONE | _AT_RECURSIVE | _O_CLOEXEC
        tree = kernel.syscall(kernel.OPEN_TREE, f"open_tree {path}", _AT_FDCWD, os.fsencode(path), flags)
        _make_read_only(tree, b"", _AT_EMPTY_PATH)
        return cls(path, os.path.isdir(path), tree)

    def attach(self) -> None:
        """Attach it inside the stage, at a mount point made for it."""
        target = _STAGE + self.path
        os.makedirs(target if self.is_folder else os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target):
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
        arguments = (self.tree, b"", _AT_FDCWD, os.fsencode(target), _MOVE_FROM_DESCRIPTOR)
        kernel.syscall(kernel.MOVE_MOUNT, f"move_mount {self.path}", *arguments)
        os.close(self.tree)


def _empty(target: str) -> None:
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    kernel.call("mount", b"tmpfs", os.fsencode(target), b"tmpfs", flags, b"size=1m,mode=755")


def _build_root(view: View) -> None:
    """Make the new root and leave the old one; the mount namespace must be ours alone."""
    kernel.call("mount", None, b"/", None, _MS_REC | _MS_PRIVATE, None)
    # Copied before the stage is covered: Python itself may live under it.
    folders = [_Copy.of(path) for path in view.folders]
    packages = [_Copy.of(path) for path in view.packages]
    _empty(_STAGE)
    for copy in folders:
        copy.attach()
    for path in view.hidden:
        _empty(_STAGE + path)
    for copy in packages:
        copy.attach()
    _make_read_only(_AT_FDCWD, os.fsencode(_STAGE), 0)
    os.chdir(_STAGE)
    kernel.syscall(kernel.PIVOT_ROOT[kernel.MACHINE], "pivot_root", b".", b".")
    kernel.call("umount2", b".", _MNT_DETACH)
    os.chdir("/")


def _map_ids(proc: int, user: int, group: int) -> None:
    """Say who the user is outside; ``proc`` is a descriptor of /proc, for its path may be gone."""
    texts = {
        "setgroups": "deny",
        "uid_map": f"{INSIDE_ID} {user} 1",
        "gid_map": f"{INSIDE_ID} {group} 1",
    }
    for name, text in texts.items():
        descriptor = os.open(f"self/{name}", os.O_WRONLY, dir_fd=proc)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


_PRIVATE = kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
_OWNED = kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID


def _become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    kernel.own_proc_entry()


def _read(proc: int, name: str) -> str:
    with open(os.open(f"self/{name}", os.O_RDONLY, dir_fd=proc)) as facts:
        return facts.read()


def _is_mapped(mapping: str, number: int) -> bool:
    ranges = [tuple(map(int, line.split())) for line in mapping.splitlines()]
    return any(first <= number < first + count for first, _, count in ranges)


def _rules_here(proc: int) -> bool:
    """Say whether this is a root that can mount and become ``nobody``; a container's often cannot."""
    (rights,) = re.findall(r"^CapEff:\s*(\w+)$", _read(proc, "status"), re.M)
    has_rights = all(int(rights, 16) >> bit & 1 for bit in _RIGHTS_OF_ROOT)
    mapped = all(_is_mapped(_read(proc, name), NOBODY) for name in ("uid_map", "gid_map"))
    return os.geteuid() == 0 and has_rights and mapped


def _leave_as_root(view: View, proc: int) -> None:
    _step("making mount and network namespaces", lambda: kernel.call("unshare", _PRIVATE))
    _step("building the file system", lambda: _build_root(view))
    _step("becoming nobody", _become_nobody)
    _step("making user and process namespaces", lambda: kernel.call("unshare", _OWNED))
    _step("mapping the user", lambda: _map_ids(proc, NOBODY, NOBODY))


def _leave_as_user(view: View, proc: int) -> None:
    user, group = os.geteuid(), os.getegid()
    _step("making namespaces", lambda: kernel.call("unshare", _PRIVATE | _OWNED))
    _step("mapping the user", lambda: _map_ids(proc, user, group))
    _step("building the file system", lambda: _build_root(view))


def leave(view: View) -> None:
    """Move this process into the jail; its next child is process 1 of a new process namespace.

    Raises:
        SandboxUnavailableError: Names the step that the machine refused.
    """
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    try:
        (_leave_as_root if _rules_here(proc) else _leave_as_user)(view, proc)
    finally:
        os.close(proc)
