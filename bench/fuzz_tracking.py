"""Asks the web application for what nobody signed: broken keys, signatures, paths and headers, a million times.

    python -m bench.fuzz_tracking [--tries N] [--seed N]

In this process, without a network, with the recorder and a database behind it. No answer may be an error of ours, none
may redirect to what was not signed, and no forged key may leave a row. The seed says how to see a failure again.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time

import psycopg

from bench.support import bench_database, result, say
from bench.tracked import fill


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=20_261_122)
    options = parser.parse_args()
    with (
        bench_database("fuzz") as (home, urls),
        psycopg.connect(urls["DATABASE_OWNER_URL"], autocommit=True) as database,
    ):
        fill(database, 1000, home / "keys")
        real = [key for (key,) in database.execute("SELECT key FROM tracking_trackedmessage").fetchall()]
        import django

        django.setup()
        from bench.fuzzing import Fuzzer

        fuzzer = Fuzzer(random.Random(options.seed), real)
        began = time.monotonic()
        asyncio.run(fuzzer.run(urls["DATABASE_RECORDER_URL"], options.tries))
        say(f"{options.tries} tries in {time.monotonic() - began:.0f} s")
        (rows,) = database.execute("SELECT count(*) FROM tracking_hit").fetchone() or (0,)
    result("fuzz.tracking.tries", options.tries)
    result("fuzz.tracking.errors", len(fuzzer.errors))
    result("fuzz.tracking.unsigned_redirects", len(fuzzer.unsigned))
    result("fuzz.tracking.rows_of_forged_keys", rows - fuzzer.genuine)
    result("fuzz.tracking.genuine_hits", fuzzer.genuine)
    for failure in (fuzzer.errors + fuzzer.unsigned)[:20]:
        say(repr(failure))
    return 1 if fuzzer.errors or fuzzer.unsigned or rows != fuzzer.genuine else 0


if __name__ == "__main__":
    sys.exit(main())
