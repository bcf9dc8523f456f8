"""Waiting for something to become true, always with a deadline and never for a fixed time."""

import threading
import time


class Deadline(AssertionError):
    """What was waited for did not happen in time."""


def until(condition, within=20.0, what=None, every=0.01):
    """Returns the first truthy value of `condition()`; raises `Deadline` after `within` seconds."""
    end = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            name = what() if callable(what) else what
            raise Deadline(f"not within {within} s: {name or condition}")
        time.sleep(every)


class Gate:
    """A door that a test opens for a script that waits in another thread."""

    def __init__(self):
        self._event = threading.Event()
        self.opened_at = None

    def open(self):
        self.opened_at = time.monotonic()
        self._event.set()

    def wait(self, within=30.0):
        if not self._event.wait(within):
            raise Deadline(f"a gate stayed shut for {within} s")
