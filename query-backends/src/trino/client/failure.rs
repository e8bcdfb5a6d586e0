//! Trino's errors by what a caller can do about them.
//!
//! Names are those of `StandardErrorCode` and of the Iceberg, Hive and Cassandra connectors in version 476.

use super::wire::Failure;
use crate::error::{BackendError, ErrorKind};

/// Text of an error that is shown, in characters.
const SHOWN_CHARS_MAX: usize = 1_000;

/// A query's failure.
pub(super) fn failed(query_id: &str, failure: &Failure) -> BackendError {
    let what = format!("Trino failed query {query_id}: {}", failure.error_name);
    BackendError::new(kind(failure), what).caused_by(shown(&failure.message))
}

/// The beginning of a text, for people.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Messages about a snapshot that expired, and about a metadata file that the object store does not give; the names of these errors are those of
/// many others.
const PASSING: [&str; 3] = ["snapshot ID does not exist", "Snapshot ID does not exist", "Error accessing metadata file"];

fn kind(failure: &Failure) -> ErrorKind {
    if PASSING.iter().any(|text| failure.message.contains(text)) {
        // Who pins again, or asks again later, may find it.
        return ErrorKind::Unavailable;
    }
    match failure.error_name.as_str() {
        // Storage that it spools results to, of which it says nothing more.
        "GENERIC_INTERNAL_ERROR" if failure.message.starts_with("java.io.") => ErrorKind::Unavailable,
        "PERMISSION_DENIED" | "ACCESS_DENIED" => ErrorKind::PermissionDenied,
        "USER_CANCELED" => ErrorKind::Cancelled,
        "EXCEEDED_TIME_LIMIT" | "ABANDONED_QUERY" | "ABANDONED_TASK" | "OPTIMIZER_TIMEOUT" | "PAGE_TRANSPORT_TIMEOUT" => ErrorKind::Timeout,
        // The same query would meet the same limit, or the same hand.
        "ADMINISTRATIVELY_KILLED"
        | "EXCEEDED_CPU_LIMIT"
        | "EXCEEDED_SCAN_LIMIT"
        | "QUERY_TEXT_TOO_LARGE"
        | "QUERY_REJECTED"
        | "QUERY_HAS_TOO_MANY_STAGES"
        | "QUERY_EXCEEDED_COMPILER_LIMIT"
        | "COMPILER_ERROR"
        | "STACK_OVERFLOW" => ErrorKind::Rejected,
        "SERVER_STARTING_UP"
        | "SERVER_SHUTTING_DOWN"
        | "NO_NODES_AVAILABLE"
        | "REMOTE_HOST_GONE"
        | "REMOTE_TASK_ERROR"
        | "REMOTE_TASK_MISMATCH"
        | "REMOTE_TASK_FAILED"
        | "REMOTE_BUFFER_CLOSE_FAILED"
        | "PAGE_TRANSPORT_ERROR"
        | "TOO_MANY_REQUESTS_FAILED"
        | "CATALOG_UNAVAILABLE"
        | "CATALOG_NOT_AVAILABLE" => ErrorKind::Unavailable,
        "CATALOG_NOT_FOUND"
        | "SCHEMA_NOT_FOUND"
        | "TABLE_NOT_FOUND"
        | "COLUMN_NOT_FOUND"
        | "COLUMN_TYPE_UNKNOWN"
        | "TYPE_MISMATCH"
        | "INVALID_CAST_ARGUMENT"
        | "ICEBERG_BAD_DATA"
        | "ICEBERG_INVALID_METADATA"
        | "HIVE_BAD_DATA"
        | "HIVE_PARTITION_SCHEMA_MISMATCH"
        | "HIVE_INVALID_METADATA" => ErrorKind::SchemaDrift,
        "NOT_SUPPORTED" | "FUNCTION_NOT_FOUND" => ErrorKind::Unsupported,
        "SYNTAX_ERROR" => ErrorKind::Internal,
        _ => by_type(&failure.error_type),
    }
}

fn by_type(error_type: &str) -> ErrorKind {
    match error_type {
        "INSUFFICIENT_RESOURCES" => ErrorKind::Overloaded,
        // What Trino depends on: files, catalogs, other engines.
        "EXTERNAL" => ErrorKind::Unavailable,
        "USER_ERROR" => ErrorKind::Rejected,
        _ => ErrorKind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error_name: &str, error_type: &str, message: &str, kind: ErrorKind) {
        let failure = Failure { message: message.to_owned(), error_name: error_name.to_owned(), error_type: error_type.to_owned() };
        let error = failed("q", &failure);
        assert_eq!(error.kind, kind, "{error_name}");
        assert!(error.to_string().contains(error_name));
    }

    #[test]
    fn kinds() {
        check("QUERY_QUEUE_FULL", "INSUFFICIENT_RESOURCES", "", ErrorKind::Overloaded);
        check("CLUSTER_OUT_OF_MEMORY", "INSUFFICIENT_RESOURCES", "", ErrorKind::Overloaded);
        check("EXCEEDED_TIME_LIMIT", "INSUFFICIENT_RESOURCES", "", ErrorKind::Timeout);
        check("PERMISSION_DENIED", "USER_ERROR", "", ErrorKind::PermissionDenied);
        check("TABLE_NOT_FOUND", "USER_ERROR", "", ErrorKind::SchemaDrift);
        check("DIVISION_BY_ZERO", "USER_ERROR", "", ErrorKind::Rejected);
        check("ICEBERG_FILESYSTEM_ERROR", "EXTERNAL", "", ErrorKind::Unavailable);
        check("GENERIC_INTERNAL_ERROR", "INTERNAL_ERROR", "", ErrorKind::Internal);
        check("GENERIC_INTERNAL_ERROR", "INTERNAL_ERROR", "java.io.IOException: Put failed for bucket [spool]", ErrorKind::Unavailable);
        check("SERVER_STARTING_UP", "INTERNAL_ERROR", "", ErrorKind::Unavailable);
        check("ICEBERG_INVALID_METADATA", "EXTERNAL", "Invalid metadata", ErrorKind::SchemaDrift);
        check("ICEBERG_INVALID_METADATA", "EXTERNAL", "Error accessing metadata file for table a.b", ErrorKind::Unavailable);
        check("INVALID_ARGUMENTS", "USER_ERROR", "Iceberg snapshot ID does not exists: 7", ErrorKind::Unavailable);
    }

    #[test]
    fn long_messages_are_cut() {
        assert_eq!(shown("é"), "é");
        assert_eq!(shown(&"é".repeat(2_000)).chars().count(), SHOWN_CHARS_MAX + 1);
    }
}
