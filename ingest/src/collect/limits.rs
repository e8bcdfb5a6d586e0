//! Every bound that collecting keeps, with its unit.

use std::time::Duration;

/// Bytes of one event, as it was sent and not compressed: Segment's own bound.
pub const EVENT_BYTES_MAX: usize = 32 << 10;
/// Bytes of the body of a batch, as sent and also once decompressed: Segment's own bound.
pub const BATCH_BYTES_MAX: usize = 500 << 10;
/// Bytes of a batch's context, once for each of its events.
pub const CONTEXTS_BYTES_MAX: usize = 4 << 20;
/// Bytes of the body of `POST /v1/events`, once decompressed. More is another request.
pub const STREAM_BYTES_MAX: u64 = 1 << 30;
/// Lines that are handed to the log at a time.
pub const STREAM_CHUNK_LINES: usize = 1_000;
/// Bytes of lines after which they are handed to the log, however few.
pub const STREAM_CHUNK_BYTES: usize = 512 << 10;
/// Errors that the answer to a stream lists; the rest is counted.
pub const STREAM_ERRORS_MAX: usize = 100;
/// Compressed bytes that are decompressed at a time: gzip makes at most about a thousand times as many of them.
pub const INFLATE_BYTES: usize = 1 << 10;
/// Bytes of a message id.
pub const MESSAGE_ID_BYTES_MAX: usize = 256;
/// Properties, or attributes, of one event. More are data that should be in an object declared as a map.
pub const NAMES_MAX: usize = 1_000;
/// Characters of a name, or of a value, that a message for people shows.
pub const SHOWN_CHARS_MAX: usize = 80;
/// Characters of what a JSON Schema finds wrong.
pub const SCHEMA_MESSAGE_CHARS_MAX: usize = 300;
/// Bytes that a pattern of a JSON Schema takes compiled, and again at most what it is cached in while it is matched.
pub const SCHEMA_PATTERN_BYTES_MAX: usize = 256 << 10;
/// Bytes of a write key.
pub const KEY_BYTES_MAX: usize = 256;
/// Bytes of bodies that are in memory at once, of all requests together; beyond, requests are answered 503.
pub const BODIES_BYTES_MAX: usize = 128 << 20;
/// Bytes of a body too large that are read and thrown away, so that its sender reads the answer before the end of the connection.
pub const DISCARD_BYTES_MAX: usize = 4 << 20;
/// Time without a byte of the body, after which the request is given up.
pub const BODY_IDLE: Duration = Duration::from_secs(10);
/// Time for a whole body, `POST /v1/events` apart.
pub const BODY_TIME: Duration = Duration::from_secs(30);
/// Time for the body of `POST /v1/events`.
pub const STREAM_TIME: Duration = Duration::from_secs(600);
/// Time for a request's head, and for the pause between two requests on one connection.
pub const HEAD_TIME: Duration = Duration::from_secs(20);
/// Bytes of a request's head: room for an event in the beacon's query.
pub const HEAD_BYTES_MAX: usize = 64 << 10;
/// Connections at once. More wait in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 8_192;
/// Time that requests have to end when the server stops.
pub const DRAIN_TIME: Duration = Duration::from_secs(20);
/// What a sender is told to wait when the log is full or away, in seconds.
pub const RETRY_AFTER_S: u32 = 5;
/// What a sender is told to wait when too much is under way, in seconds.
pub const RETRY_AFTER_BUSY_S: u32 = 1;
/// Time for which a browser may remember what the preflight said, in seconds.
pub const PREFLIGHT_AGE_S: u32 = 86_400;
