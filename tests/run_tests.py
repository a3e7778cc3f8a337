"""How every Python test file ends: `run_tests.main()`. Finding nothing to test is a failure."""
import sys
import unittest

SKIPPED = 77  # CTest shows such a test as skipped (SKIP_RETURN_CODE)


def main():
    result = unittest.main(module="__main__", exit=False, verbosity=1).result
    if not result.wasSuccessful():
        sys.exit(1)
    if result.testsRun == 0:
        sys.exit("no test was found")
    if len(result.skipped) == result.testsRun:
        sys.exit(SKIPPED)
