"""How long it takes to write one message for each person of a large audience.

python -m bench.launching [--people N]
"""

from __future__ import annotations

import argparse

from bench.support import bench_database, launch_newsletter, result, say


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--people", type=int, default=1_000_000)
    people = parser.parse_args().people
    with bench_database("launching"):
        say(f"making {people:,} people who subscribed")
        launched = launch_newsletter(people)
    say(f"{launched.people:,} messages written")
    result("launch.expand_seconds", launched.expand_seconds, 1)
    result("launch.rss_mb", launched.rss_mb)


if __name__ == "__main__":
    main()
