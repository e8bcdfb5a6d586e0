"""DuckDB behind two pipes: a request a line on standard input, its answer as frames on standard output.

A frame is a byte that says what it is, the payload's length in four bytes (big-endian), and the payload:
R ready (JSON: version), P progress (JSON: share, 0 to 1), B a batch (an Arrow IPC stream), D done (JSON), E an error (JSON: kind, what).
Every answer ends in D or E. Whoever wants a query stopped kills the process.
"""

import json
import os
import struct
import sys
import threading
from fractions import Fraction

# Standard output is the pipe; what anything else prints goes to standard error.
PIPE = os.fdopen(os.dup(1), "wb", buffering=0)
os.dup2(2, 1)
WRITING = threading.Lock()
# Seconds between two looks at a query's progress.
PROGRESS_EVERY_S = 0.1


class Refused(Exception):
    """A failure whose kind is known."""

    def __init__(self, kind, what):
        super().__init__(what)
        self.kind = kind


def send(kind, payload):
    frame = memoryview(struct.pack(">cI", kind, len(payload)) + bytes(payload))
    with WRITING:
        while frame:
            frame = frame[PIPE.write(frame):]


def send_json(kind, value):
    send(kind, json.dumps(value).encode())


def connect(settings):
    connection = duckdb.connect(
        config={
            "threads": settings["threads"],
            "memory_limit": f"{settings['memory_mib']}MiB",
            "temp_directory": settings["spill_dir"],
            "max_temp_directory_size": f"{settings['spill_mib']}MiB",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    for setting in [
        "SET TimeZone = 'UTC'",
        "SET preserve_insertion_order = false",
        # The lake's files never change.
        "SET parquet_metadata_cache = true",
        "SET enable_progress_bar = true",
        "SET enable_progress_bar_print = false",
        # Trees are 256 levels deep at most, each of which takes several of an expression's.
        "SET max_expression_depth = 20000",
    ]:
        connection.execute(setting)
    connection.create_function("compare_avg", compare_avg, ["VARCHAR", "BIGINT", "VARCHAR"], "INTEGER")
    return connection


def compare_avg(total, count, literal):
    """Whether total / count is less than (-1), equal to (0) or greater than (1) the literal; nothing is divided or rounded."""
    difference = Fraction(total) - Fraction(literal) * count
    return (difference > 0) - (difference < 0)


def escaped(path):
    """The path as a pattern that only it matches."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


def make_view(connection, name, table):
    """A view of a table's files, in which a file that lacks a column has nulls there."""
    declared = connection.read_parquet([escaped(table["schema"])], hive_partitioning=False)
    files = [table["schema"], *table["files"]]
    found = connection.read_parquet([escaped(path) for path in files], union_by_name=True, hive_partitioning=False)
    types = dict(zip(found.columns, found.types))
    for column, declared_type in zip(declared.columns, declared.types):
        if types[column] != declared_type:
            raise Refused("schema_drift", f"column {column} of {name} is {types[column]} in the files, and {declared_type} in the catalog")
    found.create_view(name, replace=True)


def answer(connection, request):
    for name, table in request["tables"].items():
        make_view(connection, name, table)
    query = connection.sql(request["sql"])
    if request["what"] == "explain":
        send_json(b"D", {"plan": query.explain()})
        return
    if not request["ids"]:
        query = query.project("user_no")
    ended = threading.Event()
    watcher = threading.Thread(target=watch, args=(connection, ended), daemon=True)
    watcher.start()
    rows = 0
    try:
        for batch in query.to_arrow_reader(request["batch_rows"]):
            rows += batch.num_rows
            stream = pyarrow.BufferOutputStream()
            with pyarrow.ipc.new_stream(stream, batch.schema) as writer:
                writer.write_batch(batch)
            send(b"B", stream.getvalue())
    finally:
        ended.set()
        watcher.join()
    send_json(b"D", {"rows": rows})


def watch(connection, ended):
    while not ended.wait(PROGRESS_EVERY_S):
        percent = connection.query_progress()
        if 0 < percent <= 100:
            send_json(b"P", {"share": percent / 100})


def kind_of(error, request):
    if isinstance(error, Refused):
        return error.kind
    paths = [path for table in request.get("tables", {}).values() for path in [table["schema"], *table["files"]]]
    # A file that is gone, or closed to us, shows in several ways; the file itself says which.
    for path in paths:
        if not os.path.exists(path):
            return "unavailable"
        if not os.access(path, os.R_OK):
            return "permission_denied"
    kinds = [
        (duckdb.OutOfMemoryException, "overloaded"),
        (MemoryError, "overloaded"),
        (duckdb.IOException, "unavailable"),
        (duckdb.PermissionException, "permission_denied"),
        (duckdb.OutOfRangeException, "rejected"),
        (duckdb.NotImplementedException, "unsupported"),
        # What is no Parquet, or ends too early.
        (duckdb.InvalidInputException, "schema_drift"),
        (duckdb.SerializationException, "schema_drift"),
        (duckdb.ConversionException, "schema_drift"),
    ]
    return next((kind for type_, kind in kinds if isinstance(error, type_)), "internal")


def main():
    settings = json.loads(sys.argv[1])
    connection = connect(settings)
    send_json(b"R", {"version": duckdb.__version__})
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            answer(connection, request)
        except Exception as error:
            send_json(b"E", {"kind": kind_of(error, request), "what": f"{type(error).__name__}: {error}"})


try:
    import duckdb
    import pyarrow
    import pyarrow.ipc

    main()
except Exception as failure:
    send_json(b"E", {"kind": "unavailable", "what": f"{type(failure).__name__}: {failure}"})
sys.stdout.flush()
# Nobody asks any more: without the engine's long good-bye.
os._exit(0)
