"""One service in the foreground, for containers: python -m config.serve web | worker | urgent | beat."""

import os
import sys
from collections.abc import Callable, Sequence

from config.safety import unsafe_settings
from config.services import Place, WrongVariableError, beat_command, urgent_command, web_command, worker_command

COMMANDS: dict[str, Callable[[Place], list[str]]] = {
    "web": lambda place: web_command(place.bind, place.port),
    "worker": lambda place: worker_command(),
    "urgent": lambda place: urgent_command(),
    "beat": lambda place: beat_command(place.home),
}


def main(arguments: Sequence[str]) -> None:
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        sys.exit(f"Name one service: {', '.join(COMMANDS)}.")
    wrong = list(unsafe_settings(os.environ))
    if wrong:
        sys.exit("\n".join(wrong))
    try:
        command = COMMANDS[arguments[0]](Place.from_environ(os.environ))
    except WrongVariableError as error:
        sys.exit(str(error))
    # It takes our place, so that the container's signals reach it.
    os.execv(command[0], command)  # noqa: S606  # no shell wanted


if __name__ == "__main__":
    main(sys.argv[1:])
