"""The first process of a test run: sets its limits, then becomes the command, or its parent where it is
alone.

Started as a script with `python -I -S`, never imported: limits set by a forked copy of a process that has
threads (a model's engine, an event loop) could deadlock. In a process-id namespace of its own it is process
1, so it stays as the parent: processes that the command leaves behind are reaped, and end when it ends.
"""

import ctypes
import fcntl
import json
import os
import resource
import socket
import struct
import sys

_SIOCSIFFLAGS = 0x8914
_IFF_UP_RUNNING = 0x1 | 0x40


# From <sys/mount.h>. Flags of a file system that a remount may not drop are numbered as statvfs says them.
_RDONLY, _REMOUNT, _BIND = 1, 32, 4096
_KEPT = 2 | 4 | 8


def _main(limits: dict[str, int], kept: list[str], command: list[str]) -> int:
    if os.getpid() == 1:
        for folder in kept:
            _make_read_only(folder)
        _raise_loopback()
        if child := os.fork():
            return _wait_for(child)
    for name, value in limits.items():
        number = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(number)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (allowed, allowed))
    try:
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127


def _make_read_only(folder: str) -> None:
    """In this mount namespace alone: what runs here cannot change what later runs use."""
    mount, path = ctypes.CDLL(None, use_errno=True).mount, os.fsencode(folder)
    flags = _REMOUNT | _BIND | _RDONLY | (os.statvfs(folder).f_flag & _KEPT)
    if mount(path, path, None, _BIND, None) or mount(None, path, None, flags, None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), folder)


def _raise_loopback() -> None:
    """A new network namespace has no device up; tests may still talk to themselves."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP_RUNNING))


def _wait_for(child: int) -> int:
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(_main(json.loads(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:]))
