//! `/lists`: lists of user ids, uploaded as they stream in.

use std::io::{self, BufReader};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use futures::StreamExt;
use ingest::ListFile;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::{discard, media_type, plain};
use super::caller::{Caller, Manage, Read};
use super::json;
use super::page::{Asked, At, Page, Params};
use super::problem::{Answer, Code, Problem};
use crate::lists::{self, List};
use crate::serve::Serving;

/// Bytes of an upload. What its distinct ids take is in memory while it is read.
const UPLOAD_BYTES_MAX: u64 = 512 << 20;
/// Uploads at once.
pub(super) const UPLOADS_MAX: usize = 2;
/// Time without a byte of an upload, and for all of it.
const UPLOAD_IDLE: Duration = Duration::from_secs(30);
const UPLOAD_TIME: Duration = Duration::from_secs(900);
/// Pieces of an upload that wait to be read.
const PIECES_MAX: usize = 8;

/// All paths.
pub(super) fn router() -> OpenApiRouter<Arc<Serving>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one, upload, delete))
}

/// Which lists are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Lists of a page: 1 to 200, 50 if left out.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists, by key
#[utoipa::path(get, path = "/lists", tag = "lists", params(Which), security(("key" = ["read"])),
    responses((status = 200, body = Page<List>), (status = 400, description = "invalid_parameter")))]
async fn list(caller: Caller<Read>, Params(which): Params<Which>) -> Answer<Response> {
    let asked = Asked::new(which.limit, which.cursor.as_deref())?;
    let all = caller.workspace.lists().await?.into_iter().map(|info| (info.key.clone(), info));
    json(StatusCode::OK, &asked.page_of(all, |_, info| List::of(&info)))
}

/// A list
#[utoipa::path(get, path = "/lists/{key}", tag = "lists", params(("key" = String, Path)), security(("key" = ["read"])),
    responses((status = 200, body = List), (status = 404, description = "not_found")))]
async fn one(caller: Caller<Read>, At(key): At<String>) -> Answer<Response> {
    json(StatusCode::OK, &List::of(&lists::read(&caller.workspace, &key).await?))
}

/// Delete a list
#[utoipa::path(delete, path = "/lists/{key}", tag = "lists", params(("key" = String, Path)), security(("key" = ["manage"])),
    responses((status = 204), (status = 404, description = "not_found"),
        (status = 409, description = "in_use, with the segments that refer to it")))]
async fn delete(caller: Caller<Manage>, At(key): At<String>) -> Answer<StatusCode> {
    lists::delete(&caller.workspace, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Make a list of the ids in the body, in place of the one that has the key
///
/// `text/plain` has an id a line, `text/csv` in its first column, `application/x-ndjson` as a string or as `{"user_id": …}` a line. 512 MiB at
/// most. A body that breaks off changes nothing.
#[utoipa::path(put, path = "/lists/{key}", tag = "lists", params(("key" = String, Path)), security(("key" = ["manage"])),
    request_body(content((String = "text/csv"), (String = "text/plain"), (String = "application/x-ndjson"))),
    responses((status = 200, body = List), (status = 400, description = "malformed"), (status = 408, description = "timeout"),
        (status = 413, description = "too_large"), (status = 415, description = "unsupported_media_type"),
        (status = 422, description = "invalid_value: the key can be none")))]
async fn upload(State(serving): State<Arc<Serving>>, caller: Caller<Manage>, At(key): At<String>, request: Request) -> Answer<Response> {
    store::check_key(&key)?;
    plain(request.headers())?;
    let read: fn(Pieces) -> ingest::error::Result<ListFile> = match media_type(request.headers()).as_str() {
        "text/csv" | "text/plain" => |pieces| ListFile::read(pieces),
        "application/x-ndjson" => |pieces| ListFile::read_ndjson(BufReader::new(pieces)),
        other => {
            let what = format!("a list is text/csv, text/plain or application/x-ndjson, and the body is {other:?}: set Content-Type");
            return Err(Problem::new(Code::UnsupportedMediaType, what));
        }
    };
    let busy = || Problem::new(Code::Busy, "as many lists are being uploaded as the server takes: try again");
    let _room = serving.rest.uploads.clone().try_acquire_owned().map_err(|_| busy())?;
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    let reading = tokio::task::spawn_blocking(move || read(Pieces { receiver, piece: Bytes::new(), ended: false }));
    let fed = feed(request.into_body(), sender).await;
    let list = reading.await.map_err(|e| Problem::failed(e.to_string()))?;
    // What is wrong with the body is why it could not be read.
    fed?;
    let list = list.map_err(|e| Problem::new(Code::Malformed, store::chain(&e)))?;
    json(StatusCode::OK, &List::of(&lists::replace(&caller.workspace, &key, list).await?))
}

/// Hands a body on, and says when it has come to its end.
async fn feed(body: Body, sender: mpsc::Sender<Option<Bytes>>) -> Answer<()> {
    let deadline = Instant::now() + UPLOAD_TIME;
    let mut stream = body.into_data_stream();
    let mut left = UPLOAD_BYTES_MAX;
    loop {
        let piece = match timeout_at(deadline.min(Instant::now() + UPLOAD_IDLE), stream.next()).await {
            Err(_) => return Err(Problem::new(Code::Timeout, "the list stopped arriving: send it again")),
            Ok(piece) => piece.transpose().map_err(|e| Problem::new(Code::Malformed, format!("the list broke off: {e}")))?,
        };
        left = match left.checked_sub(piece.as_ref().map_or(0, |p| p.len() as u64)) {
            Some(left) => left,
            None => {
                discard(&mut stream, deadline).await;
                return Err(Problem::new(Code::TooLarge, format!("a list has {} MiB at most here", UPLOAD_BYTES_MAX >> 20)));
            }
        };
        let ended = piece.is_none();
        // Nobody reads on where what came cannot be read, which the reader says.
        if sender.send(piece).await.is_err() || ended {
            return Ok(());
        }
    }
}

/// A body as a blocking reader sees it.
struct Pieces {
    /// What came; `None`: that was all.
    receiver: mpsc::Receiver<Option<Bytes>>,
    piece: Bytes,
    ended: bool,
}

impl io::Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() && !self.ended {
            match self.receiver.blocking_recv() {
                Some(Some(piece)) => self.piece = piece,
                Some(None) => self.ended = true,
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let n = self.piece.as_ref().read(buffer)?;
        drop(self.piece.split_to(n));
        Ok(n)
    }
}
