"""Whose turn it is: those who wait for a slot, in the order in which they get one."""

import itertools
import threading


class Turns:
    """Slots, and who waits for one.

    Parameters
    ----------
    slots : int
        How many may be taken at the same time.

    Attributes
    ----------
    refusal : Exception or None
        What is raised for whoever waits, or comes to: there will be no slot any more.
    """

    def __init__(self, slots: int) -> None:
        self.slots, self.taken = slots, 0
        self.waiting: set[tuple[int, int]] = set()
        self.refusal: Exception | None = None
        self._asked = itertools.count()
        self._changed = threading.Condition()

    def take(self, place: int) -> None:
        """Wait for a turn and a free slot.

        Of those that wait the one with the lowest place is next, whoever asked first; of equal
        places the one that did.
        """
        with self._changed:
            turn = place, next(self._asked)
            self.waiting.add(turn)
            try:
                self._changed.wait_for(lambda: self.refusal or self._is_next(turn))
                if self.refusal is not None:
                    raise self.refusal
                self.taken += 1
            finally:
                self.waiting.remove(turn)
                self._changed.notify_all()

    def _is_next(self, turn: tuple[int, int]) -> bool:
        return self.taken < self.slots and min(self.waiting) == turn

    def give_back(self) -> None:
        """Free a slot."""
        with self._changed:
            self.taken -= 1
            self._changed.notify_all()

    def resize(self, slots: int) -> None:
        """Have another number of slots from now on; what is taken stays so."""
        with self._changed:
            self.slots = slots
            self._changed.notify_all()

    def refuse(self, error: Exception) -> None:
        """Raise an error for all who wait, or come later."""
        with self._changed:
            self.refusal = self.refusal or error
            self._changed.notify_all()
