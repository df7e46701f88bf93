"""Become another program: as another user where asked, and never outliving the process that started it.

Run by path, before anything of Pli can be imported:
    python -I -S launcher.py PARENT SIGNAL UID GID PROGRAM [ARGUMENT...]

A script and not a `preexec_fn`, because Python code between fork and exec can deadlock when the parent has threads.
UID and GID are -1 to stay who we are.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, stop_signal: int) -> None:
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, stop_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    # The parent may have gone before the request was made; then no signal will ever come.
    if os.getppid() != parent:
        sys.exit(1)


def main(arguments: list[str]) -> None:
    parent, stop_signal, uid, gid = (int(value) for value in arguments[:4])
    command = arguments[4:]
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # After setuid, which clears it.
    die_with_parent(parent, stop_signal)
    os.execvp(command[0], command)  # noqa: S606  # no shell wanted


if __name__ == "__main__":
    main(sys.argv[1:])
