"""Waiting for a condition with a deadline: tests never sleep for a guessed time."""

import time


def until(condition, seconds=30, what="condition"):
    """Returns the first true value of condition(), or fails after `seconds`. `what`: words, or what returns them then."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.02)
