"""`bin/pli`: a management command with the engines up.

    python -m config.command [--throwaway] COMMAND [ARGUMENT...]

Engines that run already (`make run`, `make engines`) are used; else they run for as long as the command does.
`--throwaway` gives it fresh and empty ones, which nobody else sees.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from config.embedded import Engines, is_running, throwaway_engines
from config.engine_home import EngineError, State, home_folder
from config.services import manage_command


def run(arguments: Sequence[str], environ: dict[str, str]) -> int:
    with subprocess.Popen(manage_command(*arguments), env=environ) as process:

        def pass_on(number: int, frame: FrameType | None) -> None:
            process.send_signal(number)

        # Ctrl-C reaches the command without us. It decides how to end; the engines stop after it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, pass_on)
        signal.signal(signal.SIGHUP, pass_on)
        return process.wait()


def run_with_engines_of(home: Path, arguments: Sequence[str]) -> int:
    environ = dict(os.environ) | {"PLI_HOME": str(home)}
    state = State.load(home)
    if state is not None and state.mailbox_port:
        environ.setdefault("PLI_MAILBOX_PORT", str(state.mailbox_port))
    if is_running(home):
        return run(arguments, environ)
    with Engines(home):
        return run(arguments, environ)


def run_with_throwaway_engines(arguments: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory() as home, throwaway_engines() as urls:
        return run(arguments, dict(os.environ) | urls | {"PLI_HOME": home})


def main(arguments: Sequence[str]) -> int:
    try:
        if arguments[:1] == ["--throwaway"]:
            return run_with_throwaway_engines(arguments[1:])
        return run_with_engines_of(home_folder(os.environ), arguments)
    except EngineError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
