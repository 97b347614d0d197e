"""Run a learner's function with a time limit, and keep what it prints out of the way."""

import contextlib
import ctypes
import io
import signal
import threading
import time
import warnings
from collections.abc import Iterator

import torch


class TimedOut(BaseException):
    """The time limit is over. Not an Exception, so that ``except Exception`` in a candidate lets it pass."""


class BoundedText(io.TextIOBase):
    """A text stream that keeps its first characters and drops the rest: a print loop costs no memory."""

    def __init__(self, limit: int = 400) -> None:
        self._kept = ""
        self._limit = limit

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def write(self, text: str) -> int:
        """Keep what still fits."""
        self._kept += text[: self._limit - len(self._kept)]
        return len(text)

    def getvalue(self) -> str:
        """Return what was kept."""
        return self._kept


@contextlib.contextmanager
def quiet() -> Iterator[BoundedText]:
    """Collect prints and warnings instead of showing them.

    A warning matters: whatever a graded cell writes to stderr costs all its points in nbgrader.
    """
    printed = BoundedText()
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield printed


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread: quicker for small probes, and far quicker on a machine that is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise ``TimedOut`` in the block after so many seconds, and again every 0.1 s until it leaves.

    Again, because a candidate may swallow the first one in a bare ``except``; one that swallows all of them can
    only be ended from outside its process, which is where grading stands. In the main thread of a Unix
    process, where a notebook runs its cells, an alarm also ends a sleep or a wait for input; elsewhere a loop
    is ended, and a blocking call once it returns.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    with _alarm(seconds) if in_main_thread and hasattr(signal, "setitimer") else _watchdog(seconds):
        yield


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def stop(_signal: int, _frame: object) -> None:
        raise TimedOut

    started = time.monotonic()
    previous_handler = signal.signal(signal.SIGALRM, stop)
    previous_delay, previous_interval = signal.setitimer(signal.ITIMER_REAL, seconds, 0.1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous_handler or signal.SIG_DFL)
        if previous_delay:
            left = max(previous_delay - (time.monotonic() - started), 0.001)
            signal.setitimer(signal.ITIMER_REAL, left, previous_interval)


@contextlib.contextmanager
def _watchdog(seconds: float) -> Iterator[None]:
    watched = ctypes.c_ulong(threading.get_ident())
    left, lock = threading.Event(), threading.Lock()

    def watch() -> None:
        delay = seconds
        while not left.wait(delay):
            with lock:  # so that nothing is raised once the block has been left
                if not left.is_set():
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(watched, ctypes.py_object(TimedOut))
            delay = 0.1

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        with lock:
            left.set()
            ctypes.pythonapi.PyThreadState_SetAsyncExc(watched, None)
