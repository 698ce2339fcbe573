"""What ends a command from outside: Ctrl-C, SIGTERM, a terminal that is closed.

The signal interrupts the command where it is, so that whatever is open is closed in order.
Compiled code can't be interrupted, and a library may wait for its threads, or for a server
that is gone: two seconds later the process ends all the same, and what it started too.
Nothing but what was being computed is lost by that.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import NoReturn

PATIENCE_SECONDS = 2.0
SENTENCE = "interrupted; the same command continues from what was finished"
ENDING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class SignalWatch:
    """Notes which signal came first, and sees to it that the process ends then.

    Attributes
    ----------
    number : int or None
        The signal that came; the exit code is 128 and it, as a shell has it.
    last_acts : list of callable
        What is done when the process must end without waiting for anything.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.last_acts: list[Callable[[], object]] = [_kill_children]
        self._ending = threading.Lock()

    def start(self) -> None:
        """Watch from now on; what this process was told to ignore, it goes on ignoring.

        By a file that the interpreter writes to before any handler runs, since Prefect puts
        handlers of its own in the place of ours while a flow runs.
        """
        watched, written = os.pipe()
        os.set_blocking(written, False)
        signal.set_wakeup_fd(written, warn_on_full_buffer=False)
        for number in ENDING:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                signal.signal(number, self._interrupt)
        threading.Thread(target=self._watch, args=(watched,), daemon=True).start()

    def stop(self) -> None:
        """Leave the signals to a server, which ends in order and takes its time for that."""
        signal.set_wakeup_fd(-1)
        for number in ENDING:
            if signal.getsignal(number) == self._interrupt:
                signal.signal(number, signal.SIG_DFL)

    def end(self) -> NoReturn:
        """Say that the command was interrupted, end what it started, and this process.

        Not by an exception to the top: the interpreter's own end, after all that was
        imported, takes seconds.
        """
        with self._ending:
            # A spinner may have hidden the cursor, and left half a line.
            restored = "\r\x1b[K\x1b[?25h" if os.isatty(2) else ""
            os.write(2, f"{restored}digitflow: {SENTENCE}\n".encode())
            for act in self.last_acts:
                with suppress(Exception):
                    act()
            os._exit(128 + (self.number or signal.SIGINT))

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.number = number  # the thread may not have come to it yet
        raise KeyboardInterrupt(number)

    def _watch(self, watched: int) -> None:
        while (number := os.read(watched, 1)[0]) not in ENDING:
            pass
        self.number = number
        time.sleep(PATIENCE_SECONDS)
        self.end()


def _kill_children() -> None:
    """Kill what this process has started, but for what has left its session on purpose."""
    psutil = sys.modules.get("psutil")
    if psutil is None:
        return
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error, OSError):
            if os.getsid(child.pid) == os.getsid(0):
                child.kill()


watch = SignalWatch()
