"""Questions answered together, each with its own answer."""

import asyncio
import threading

import pytest

from digitflow.serving.batching import Batcher


class Doubling:
    """Doubles numbers, as soon as it may; refuses negative ones, and breaks at zero."""

    def __init__(self):
        self.may, self.batches = threading.Event(), []

    def __call__(self, asks):
        self.may.wait()
        self.batches.append(list(asks))
        if 0 in asks:
            raise ZeroDivisionError
        return [ValueError(f"{ask}") if ask < 0 else 2 * ask for ask in asks]


def run(act, **options):
    """Run act(batcher, doubling) in a loop; return what it returns."""

    async def main():
        doubling = Doubling()
        batcher = Batcher(doubling, **{"most": 8} | options)
        batcher.start()
        try:
            return await act(batcher, doubling)
        finally:
            doubling.may.set()
            await asyncio.to_thread(batcher.stop)

    return asyncio.run(main())


async def ask_all(batcher, doubling, asks):
    """Ask all while the first is computed; return the answers and the exceptions."""
    asked = [asyncio.create_task(batcher.ask(ask)) for ask in asks]
    await asyncio.sleep(0)
    doubling.may.set()
    return await asyncio.gather(*asked, return_exceptions=True)


def test_what_comes_meanwhile_is_answered_together():
    async def act(batcher, doubling):
        return await ask_all(batcher, doubling, range(1, 20)), doubling.batches

    answers, batches = run(act, gather_seconds=1e-3)
    assert answers == [2 * n for n in range(1, 20)]
    assert [n for batch in batches for n in batch] == list(range(1, 20))
    assert max(map(len, batches)) == 8


def test_one_that_is_refused_and_one_that_breaks_take_no_other_with_them():
    async def act(batcher, doubling):
        return await ask_all(batcher, doubling, [1, -2, 0, 3])

    first, refused, broken, last = run(act)
    assert (first, last) == (2, 6)
    assert str(refused) == "-2"
    assert isinstance(broken, ZeroDivisionError)


def test_whoever_has_gone_is_not_answered():
    async def act(batcher, doubling):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(batcher.ask(1), 0.01)
        gone = asyncio.create_task(batcher.ask(2))
        await asyncio.sleep(0)
        gone.cancel()
        return await ask_all(batcher, doubling, [3]), doubling.batches

    answers, batches = run(act)
    assert answers == [6]
    assert 2 not in [n for batch in batches for n in batch]


def test_what_was_asked_before_the_end_is_answered():
    async def act(batcher, doubling):
        asked = [asyncio.create_task(batcher.ask(n)) for n in range(1, 4)]
        await asyncio.sleep(0)
        ending = asyncio.create_task(asyncio.to_thread(batcher.stop))
        await asyncio.sleep(0)
        doubling.may.set()
        answers = await asyncio.gather(*asked)
        await ending
        return answers

    assert run(act) == [2, 4, 6]
