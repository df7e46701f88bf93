"""See to it that nothing stays behind when the supervisor is killed.

Run by path with a pipe as standard input: python -I -S watcher.py
Lines say what lives: `watch PID SIGNAL` (leader of a process group, and what stops it) and `forget PID`.
The end of the pipe means that the supervisor is gone, whatever killed it: what is left is asked to stop, then killed.
"""

import os
import signal
import sys
import time

GRACE_SECONDS = 5.0


def send(pid: int, number: int, *, group: bool) -> bool:
    try:
        (os.killpg if group else os.kill)(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end_all(groups: dict[int, int]) -> None:
    # Only the leader is asked: it knows how to stop its own children in order.
    for pid, stop_signal in reversed(groups.items()):
        send(pid, stop_signal, group=False)
    deadline = time.monotonic() + GRACE_SECONDS
    left = list(groups)
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = [pid for pid in left if send(pid, 0, group=True)]
    for pid in left:
        send(pid, signal.SIGKILL, group=True)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: dict[int, int] = {}
    for line in sys.stdin:
        verb, *numbers = line.split()
        if verb == "watch":
            groups[int(numbers[0])] = int(numbers[1])
        else:
            groups.pop(int(numbers[0]), None)
    end_all(groups)


if __name__ == "__main__":
    main()
