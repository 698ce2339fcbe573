"""Locks for Prefect's transactions that die with their holder.

Prefect's own lock files stay for ever after kill -9, and the next run waits for them.
"""

from dataclasses import dataclass, field

from digitflow.store.artifacts import open_store
from digitflow.store.locks import acquire_lock, is_locked, release_lock


@dataclass
class StoreLocks:
    """Prefect's lock manager over file locks, which the kernel frees after kill -9."""

    held: dict[str, tuple[str, int]] = field(default_factory=dict)

    def acquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """Wait for the key's lock; False when it is still held after the timeout."""
        if self.is_lock_holder(key, holder):
            return True
        try:
            descriptor = acquire_lock(open_store().lock_path(key), acquire_timeout)
        except TimeoutError:
            return False
        self.held[key] = (holder, descriptor)
        return True

    def release_lock(self, key: str, holder: str) -> None:
        """Give the key's lock back."""
        if self.is_lock_holder(key, holder):
            _, descriptor = self.held.pop(key)
            release_lock(open_store().lock_path(key), descriptor)

    def is_locked(self, key: str) -> bool:
        """Tell whether anybody holds the key's lock."""
        return is_locked(open_store().lock_path(key))

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """Tell whether `holder` holds the key's lock in this process."""
        return self.held.get(key, ("", 0))[0] == holder

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait until the key's lock is free; False after the timeout."""
        path = open_store().lock_path(key)
        try:
            release_lock(path, acquire_lock(path, timeout))
        except TimeoutError:
            return False
        return True

    async def aacquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """Do as `acquire_lock`; our tasks are all synchronous."""
        return self.acquire_lock(key, holder, acquire_timeout, hold_timeout)

    async def await_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Do as `wait_for_lock`; our tasks are all synchronous."""
        return self.wait_for_lock(key, timeout)
