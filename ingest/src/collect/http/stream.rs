//! `POST /v1/events`: lines, as many as the sender has, stored as they come.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::answer::{Refusal, json_response};
use super::body::{Arriving, Held, is_gzip, refusal};
use super::{Collector, auth, cors, now};
use crate::collect::gzip::Inflater;
use crate::collect::keys::Workspace;
use crate::collect::limits::{EVENT_BYTES_MAX, INFLATE_BYTES, STREAM_BYTES_MAX, STREAM_CHUNK_BYTES, STREAM_CHUNK_LINES, STREAM_ERRORS_MAX};
use crate::collect::message::Entry;
use crate::collect::quarantine::{Form, Raw};
use crate::collect::read::{Arrival, take};
use crate::hash;
use crate::rows::json::content;

const METHODS: &str = "POST, OPTIONS";

pub(crate) async fn handle(State(collector): State<Arc<Collector>>, request: Request) -> Response {
    let origin = cors::origin(request.headers());
    let response = match *request.method() {
        Method::POST => collector.stream(request).await.unwrap_or_else(Refusal::into_response),
        Method::OPTIONS => cors::preflight(METHODS),
        _ => Refusal::Method(METHODS).into_response(),
    };
    cors::allow(origin, response)
}

impl Collector {
    async fn stream(&self, request: Request) -> Result<Response, Refusal> {
        let (parts, body) = request.into_parts();
        let in_query = || {
            let query = parts.uri.query().unwrap_or_default();
            form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "writeKey").map(|(_, key)| key.into_owned())
        };
        let key = auth::header_key(&parts.headers).or_else(in_query);
        let arriving = Arriving::new(body, self.times.idle, self.times.stream);
        let workspace = match self.workspace(key.as_deref()).await {
            Ok(workspace) => workspace,
            Err(refusal) => return Err(arriving.refused(refusal).await),
        };
        let mut held = Held::default();
        // All that a stream has in memory, whatever its length.
        self.bodies.hold(&mut held, 2 * STREAM_CHUNK_BYTES)?;
        let mut stream = Stream { collector: self, workspace: &workspace, lines: Lines::default(), bytes: 0, took: Took::default() };
        stream.run(&parts.headers, arriving).await?;
        Ok(stream.took.answer())
    }
}

/// A stream under way.
struct Stream<'a> {
    collector: &'a Collector,
    workspace: &'a Workspace,
    lines: Lines,
    /// Bytes of text so far.
    bytes: u64,
    took: Took,
}

impl Stream<'_> {
    async fn run(&mut self, headers: &HeaderMap, mut arriving: Arriving) -> Result<(), Refusal> {
        let mut inflater = if is_gzip(headers)? { Some(Inflater::new()) } else { None };
        let mut text = Vec::new();
        while let Some(piece) = arriving.next().await? {
            for part in piece.chunks(if inflater.is_some() { INFLATE_BYTES } else { STREAM_CHUNK_BYTES }) {
                text.clear();
                match &mut inflater {
                    Some(inflater) => inflater.push(part, &mut text).map_err(|e| refusal(e, STREAM_BYTES_MAX))?,
                    None => text.extend_from_slice(part),
                }
                self.take(&text).await?;
            }
        }
        if let Some(inflater) = inflater {
            text.clear();
            inflater.finish(&mut text).map_err(|e| refusal(e, STREAM_BYTES_MAX))?;
            self.take(&text).await?;
        }
        if let Some((number, line)) = self.lines.end() {
            self.line(number, &line);
        }
        self.store().await
    }

    async fn take(&mut self, text: &[u8]) -> Result<(), Refusal> {
        self.bytes += text.len() as u64;
        if self.bytes > STREAM_BYTES_MAX {
            return Err(Refusal::TooLarge(STREAM_BYTES_MAX));
        }
        let mut rest = text;
        while let Some((number, line)) = self.lines.next(&mut rest) {
            self.line(number, &line);
            if self.took.entries.len() >= STREAM_CHUNK_LINES || self.took.pending_bytes >= STREAM_CHUNK_BYTES {
                self.store().await?;
            }
        }
        Ok(())
    }

    fn line(&mut self, number: u64, line: &[u8]) {
        let line = line.trim_ascii();
        if line.is_empty() {
            return;
        }
        // The id that the same line has when it is imported from a file.
        let mut id = String::new();
        hash::row_id(content(line), number, &mut id);
        let raw = Raw { form: Form::Line, sent_at: None, context: None, id: Cow::Owned(id), bytes: Cow::Borrowed(line) };
        let entry = take(raw, &Arrival { workspace: self.workspace, received_at: now() });
        self.took.add(number, line.len(), entry);
    }

    async fn store(&mut self) -> Result<(), Refusal> {
        self.took.pending_bytes = 0;
        let entries = std::mem::take(&mut self.took.entries);
        if !entries.is_empty() {
            self.collector.sink.store(entries).await?;
        }
        Ok(())
    }
}

/// Cuts text into lines. Of a line that is too long for an event one byte more than an event may have is kept.
#[derive(Default)]
struct Lines {
    begun: Vec<u8>,
    ended: u64,
}

impl Lines {
    /// The next line that ends in the text, which loses it; what is left over is kept for later.
    fn next(&mut self, text: &mut &[u8]) -> Option<(u64, Vec<u8>)> {
        let end = text.iter().position(|&b| b == b'\n');
        let (line, rest) = text.split_at(end.unwrap_or(text.len()));
        let room = (EVENT_BYTES_MAX + 1).saturating_sub(self.begun.len());
        self.begun.extend_from_slice(line.get(..room).unwrap_or(line));
        *text = rest.get(1..).unwrap_or_default();
        end?;
        self.ended += 1;
        Some((self.ended, std::mem::take(&mut self.begun)))
    }

    /// The last line, if no line break ends it.
    fn end(&mut self) -> Option<(u64, Vec<u8>)> {
        (!self.begun.is_empty()).then(|| (self.ended + 1, std::mem::take(&mut self.begun)))
    }
}

/// What became of the lines.
#[derive(Default)]
struct Took {
    entries: Vec<Entry>,
    pending_bytes: usize,
    accepted: u64,
    quarantined: u64,
    errors: Vec<Value>,
}

impl Took {
    fn add(&mut self, number: u64, bytes: usize, entry: Entry) {
        match &entry {
            Entry::Message(_) => self.accepted += 1,
            Entry::Quarantined(quarantined) => {
                self.quarantined += 1;
                if self.errors.len() < STREAM_ERRORS_MAX {
                    let unfit = &quarantined.unfit;
                    let error = json!({"line": number, "code": unfit.reason.name(), "pointer": unfit.pointer, "message": unfit.message});
                    self.errors.push(error);
                }
            }
        }
        self.pending_bytes += bytes;
        self.entries.push(entry);
    }

    fn answer(self) -> Response {
        let body = json!({"success": true, "accepted": self.accepted, "quarantined": self.quarantined, "errors": self.errors});
        json_response(StatusCode::OK, &body)
    }
}
