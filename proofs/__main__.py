"""Is what Pli says of consent so? On engines, a web server and a worker of its own, gone afterwards.

    python -m proofs [--histories N] [--seed N] [--people N]

Prints `name value`, one line per count; what each means is in docs/proofs.md. Ends with 1 when one is wrong.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django

from bench.support import CHECKOUT, bench_database, web_server
from config.services import worker_command


def main() -> int:
    options = _options()
    # The proofs fill in pages themselves, too, to have keys to every one of them.
    os.environ["PLI_ALLOWED_HOSTS"] = "127.0.0.1,testserver"
    with bench_database("proofs") as (home, _urls):
        django.setup()
        # Models can be imported only now.
        from proofs.consent import Proofs

        log = home / "log"
        with web_server(log / "web.log") as base:
            proofs = Proofs(base)
            proofs.crawl()
            with _worker(log / "worker.log"):
                proofs.race(options.people)
        proofs.compare_cells()
        proofs.play_histories(options.histories, options.seed)
        proofs.tamper()
        return proofs.conclude()


@contextmanager
def _worker(log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        child = subprocess.Popen(worker_command(), stdout=output, stderr=output, cwd=CHECKOUT)
    try:
        yield
    finally:
        child.terminate()
        child.wait(timeout=60)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=60, help="how many random histories are played")
    parser.add_argument("--seed", type=int, default=20261122, help="which ones")
    parser.add_argument("--people", type=int, default=12, help="who withdraw under load")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
