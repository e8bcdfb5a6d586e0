//! Trino's answers as they come: <https://trino.io/docs/476/develop/client-protocol.html>.
//!
//! Fields that are not read are left out; unknown ones are passed over.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// One answer of the statement's resources.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer<'a> {
    /// The query's id.
    pub(super) id: String,
    /// Where the next one is; none after the last.
    pub(super) next_uri: Option<String>,
    /// The result's columns, once they are known.
    pub(super) columns: Option<Vec<Column>>,
    /// Rows (an array), or what is spooled (an object).
    #[serde(borrow)]
    pub(super) data: Option<&'a RawValue>,
    /// How far the query is.
    #[serde(default)]
    pub(super) stats: Stats,
    /// Why it failed.
    pub(super) error: Option<Failure>,
    /// Rows written, of a statement that writes.
    pub(super) update_count: Option<u64>,
}

/// A column of the result.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
    /// Its type, as Trino writes it.
    #[serde(rename = "type")]
    pub(super) ty: String,
}

/// How far a query is, and what it has cost.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Stats {
    /// `QUEUED`, `RUNNING`, …, `FINISHED`, `FAILED`.
    pub(crate) state: String,
    /// 0 to 100; none before splits are known.
    pub(crate) progress_percentage: Option<f64>,
    pub(crate) planning_time_millis: u64,
    /// Of all nodes together.
    pub(crate) cpu_time_millis: u64,
    /// Rows that scans have read.
    pub(crate) processed_rows: u64,
    /// Bytes that scans have read.
    pub(crate) physical_input_bytes: u64,
}

/// Why a query failed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(super) struct Failure {
    pub(super) message: String,
    /// A stable name, as `SYNTAX_ERROR`.
    pub(super) error_name: String,
    /// `USER_ERROR`, `INTERNAL_ERROR`, `INSUFFICIENT_RESOURCES` or `EXTERNAL`.
    pub(super) error_type: String,
}

/// A spooled result's part of an answer.
#[derive(Debug, Deserialize)]
pub(super) struct Spooled {
    /// `json`, `json+lz4` or `json+zstd`.
    pub(super) encoding: String,
    pub(super) segments: Vec<Segment>,
}

/// Rows in the answer itself, or where they are.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub(super) enum Segment {
    /// In base 64.
    Inline { data: String, metadata: Metadata },
    /// In an object store.
    Spooled {
        uri: String,
        /// To be asked for once the rows are consumed; the server then removes them.
        ack_uri: Option<String>,
        /// What the store wants to see, keys of encryption among it.
        #[serde(default)]
        headers: BTreeMap<String, Vec<String>>,
        metadata: Metadata,
    },
}

/// What is said about a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    /// Rows of the result before it.
    pub(super) row_offset: u64,
    pub(super) rows_count: u64,
    /// Bytes as they are fetched.
    pub(super) segment_size: u64,
    /// Bytes decompressed; none if they are not compressed.
    pub(super) uncompressed_size: Option<u64>,
}

/// `/v1/info`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Info {
    pub(super) node_version: NodeVersion,
    /// Whether it takes no queries yet.
    #[serde(default)]
    pub(super) starting: bool,
}

/// The server's version.
#[derive(Debug, Deserialize)]
pub(super) struct NodeVersion {
    pub(super) version: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_segments() {
        let direct = r#"{"id":"q","data":[[1]],"stats":{"state":"RUNNING","progressPercentage":12.5},"infoUri":"x"}"#;
        let answer: Answer<'_> = serde_json::from_str(direct).unwrap();
        assert_eq!(answer.data.map(RawValue::get), Some("[[1]]"));
        assert_eq!(answer.stats.progress_percentage, Some(12.5));
        let spooled = r#"{"encoding":"json+lz4","segments":[
            {"type":"inline","data":"W1syXV0=","metadata":{"segmentSize":5,"rowsCount":1,"rowOffset":0}},
            {"type":"spooled","uri":"http://s/1","ackUri":"http://t/1","headers":{"k":["v","w"]},
             "metadata":{"segmentSize":9,"uncompressedSize":20,"rowsCount":3,"rowOffset":1,"expiresAt":"x"}}]}"#;
        let spooled: Spooled = serde_json::from_str(spooled).unwrap();
        assert_eq!(spooled.encoding, "json+lz4");
        let [Segment::Inline { .. }, Segment::Spooled { ack_uri: Some(ack), headers, metadata, .. }] = spooled.segments.as_slice() else {
            panic!("{spooled:?}");
        };
        assert_eq!((ack.as_str(), headers["k"].len(), metadata.row_offset), ("http://t/1", 2, 1));
    }
}
