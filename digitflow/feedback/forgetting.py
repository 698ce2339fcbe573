"""Forget old predictions, where somebody asks for it: else their database grows for ever."""

from datetime import UTC, datetime, timedelta

from digitflow.feedback.tables import FEEDBACK, define_tables
from digitflow.store.artifacts import Store


def forget_predictions(store: Store, days: int, dry_run: bool = False) -> int:
    """Remove predictions that are older than so many days; return how many.

    What somebody corrected stays, its predictions too. Pictures that nothing refers to any
    more go; the file of an SQLite database keeps its size, and fills the room again.

    Raises
    ------
    StorageError
        If the database can't be written.
    """
    from sqlalchemy import func, select

    if FEEDBACK.is_missing(store):
        return 0
    FEEDBACK.require_tables(store)
    pictures, predictions, corrections = (
        define_tables().tables[name] for name in ("pictures", "predictions", "corrections")
    )
    before = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
    said = select(corrections.c.picture)
    old = (predictions.c.at < before) & predictions.c.picture.not_in(said)
    if dry_run:
        counting = select(func.count().label("n")).select_from(predictions).where(old)
        return int(FEEDBACK.select_rows(store, counting)[0]["n"])
    used = predictions.select().with_only_columns(predictions.c.picture).union(said)
    # Pictures first, as everybody who adds some: nobody waits for the other in a circle.
    with FEEDBACK.removing(store, "pictures", "predictions") as connection:
        removed = connection.execute(predictions.delete().where(old)).rowcount
        connection.execute(pictures.delete().where(pictures.c.digest.not_in(used)))
    return int(removed)
