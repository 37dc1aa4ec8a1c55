"""Runs the interoperation tests of this directory against the server named by USHER_BIN.

    USHER_BIN=target/debug/usher python tests/interop/run.py [-k PATTERN]

Each test class starts a server of its own on free ports. Exit code 0 when all pass.
"""

import faulthandler
import sys
import unittest
from pathlib import Path

# All of it takes well under a minute; past this something hangs, and the stacks say where.
LIMIT_SECONDS = 600


def main():
    here = Path(__file__).resolve().parent
    sys.path.insert(0, str(here))
    faulthandler.dump_traceback_later(LIMIT_SECONDS, exit=True)
    program = unittest.main(
        module=None,
        argv=[sys.argv[0], "discover", "-s", str(here), "-t", str(here), "-p", "test_*.py", "-v", *sys.argv[1:]],
        exit=False,
    )
    faulthandler.cancel_dump_traceback_later()
    found = program.result.testsRun > 0
    return 0 if found and program.result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
