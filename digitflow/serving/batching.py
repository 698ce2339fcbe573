"""What is asked at the same time is answered together, by one thread beside the server's."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import InvalidStateError
from contextlib import suppress
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Generic, NamedTuple, TypeVar

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


class _Waiting(NamedTuple, Generic[Ask, Answer]):
    """A question, and what waits for its answer."""

    ask: Ask
    future: "asyncio.Future[Answer]"


class Batcher(Generic[Ask, Answer]):
    """Answers questions in batches: what comes while one is computed is in the next.

    Parameters
    ----------
    answer : callable
        Some questions -> an answer, or an exception, for each. Called in one thread only.
    most : int
        How many are answered together.
    gather_seconds : float
        How long others are waited for where the last batch had several: a batch of eight
        takes the time of two alone. Whoever asks alone is answered at once.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Ask]], Sequence[Answer | Exception]],
        most: int,
        gather_seconds: float = 0.0,
    ) -> None:
        self._answer, self._most, self._seconds = answer, most, gather_seconds
        self._last_size = 1
        self._queue: SimpleQueue[_Waiting[Ask, Answer] | None] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Begin, in the loop that will ask."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """Answer what has been asked by now, and end the thread."""
        self._queue.put(None)
        self._thread.join()

    async def ask(self, ask: Ask) -> Answer:
        """Return the answer; raises the exception that was given for it."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.put(_Waiting(ask, future))
        return await future

    def _work(self) -> None:
        is_last = False
        while not is_last:
            batch, is_last = self._take_batch()
            # Whoever has gone, or had no more time, is not answered any more.
            batch = [waiting for waiting in batch if not waiting.future.cancelled()]
            if batch:
                self._hand_out(batch, self._answer_all([waiting.ask for waiting in batch]))

    def _take_batch(self) -> tuple[list[_Waiting[Ask, Answer]], bool]:
        """Wait for a question; return it with those that are there, and whether to end."""
        taken = [self._queue.get()]
        deadline = monotonic() + (self._seconds if self._last_size > 1 else 0.0)
        with suppress(Empty):
            while taken[-1] is not None and len(taken) < self._most:
                taken.append(self._queue.get(timeout=max(0.0, deadline - monotonic())))
        self._last_size = len(taken)
        return [waiting for waiting in taken if waiting is not None], taken[-1] is None

    def _answer_all(self, asks: Sequence[Ask]) -> Sequence[Answer | Exception]:
        try:
            return self._answer(asks)
        except Exception as exc:
            if len(asks) == 1:
                return [exc]
        # One question that can't be answered takes no other with it.
        return [answer for ask in asks for answer in self._answer_all([ask])]

    def _hand_out(
        self,
        batch: Sequence[_Waiting[Ask, Answer]],
        answers: Sequence[Answer | Exception],
    ) -> None:
        assert self._loop is not None
        # The loop has ended where nobody waits any more.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_resolve, batch, answers)


def _resolve(
    batch: Sequence[_Waiting[Ask, Answer]], answers: Sequence[Answer | Exception]
) -> None:
    for waiting, answer in zip(batch, answers, strict=True):
        if waiting.future.cancelled():
            continue
        with suppress(InvalidStateError):
            if isinstance(answer, Exception):
                waiting.future.set_exception(answer)
            else:
                waiting.future.set_result(answer)
