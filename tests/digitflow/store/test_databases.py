"""An SQLite file looks different after every change of it."""

import sqlite3
from contextlib import closing

from digitflow.store.databases import stat_database


def test_a_database_that_changes_has_another_stat(tmp_path):
    path = tmp_path / "history.db"
    assert stat_database(path) is None
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table t (n integer)")
        seen = [stat_database(path)]
        for number in range(20):
            connection.execute("insert into t values (?)", (number,))
            connection.commit()
            seen.append(stat_database(path))
    assert stat_database(path) == seen[-1]
    # Many of these were written in one tick of the clock, and none made the file longer.
    assert len({stat["changes"] for stat in seen}) == len(seen)


def test_what_is_no_database_has_a_stat_too(tmp_path):
    path = tmp_path / "history.db"
    path.write_bytes(b"")
    assert stat_database(path)["bytes"] == 0
