"""DuckDB over the same files, by queries written by hand: `<segment>.duckdb.sql`, its shapes apart by lines `-- shape: name`."""

import time

import duckdb

from . import Answer, Lake, Segment, md5_of


class DuckDbPeer:
    """DuckDB, with the footers of the files kept between queries and no order asked of the results."""

    name = "duckdb"

    def __init__(self):
        self._connection = None

    def prepare(self, lake: Lake, threads: int) -> None:
        c = self._connection = duckdb.connect()
        c.execute(f"SET threads = {threads}")
        c.execute("SET TimeZone = 'UTC'")
        c.execute("SET parquet_metadata_cache = true")
        c.execute("SET preserve_insertion_order = false")
        self._view("events", lake.events, ["event", "user_no", "ts", "message_id"], lake.properties)
        self._view("profiles", lake.profiles, ["user_no", "user_id"], lake.attributes)

    def _view(self, name: str, files: list[str], fixed: list[str], columns: dict[str, str]) -> None:
        """A view under the names that people use; the engine sees through it."""
        listed = ", ".join("'" + path.replace("'", "''") + "'" for path in files)
        renamed = [f'"{column}" AS "{field}"' for field, column in columns.items()]
        self._connection.execute(f"CREATE VIEW {name} AS SELECT {', '.join(fixed + renamed)} FROM read_parquet([{listed}])")

    def version(self) -> str:
        return f"DuckDB {duckdb.__version__}"

    def _queries(self, segment: Segment) -> dict[str, str]:
        text = segment.path.with_suffix(".duckdb.sql").read_text()
        parts = text.split("-- shape: ")[1:]
        return {head.strip(): body for head, _, body in (part.partition("\n") for part in parts)}

    def shapes(self, segment: Segment) -> list[str]:
        return list(self._queries(segment))

    def run(self, segment: Segment, shape: str, hashed: bool) -> Answer:
        sql = self._queries(segment)[shape]
        started = time.perf_counter()
        ids = self._connection.sql(sql).to_arrow_table()
        seconds = time.perf_counter() - started
        return Answer(seconds, ids.num_rows, md5_of(ids.column(0).to_pylist()) if hashed else None)

    def close(self) -> None:
        self._connection.close()
