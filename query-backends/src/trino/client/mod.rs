//! A small client of Trino's statement protocol, direct and spooled: <https://trino.io/docs/476/develop/client-protocol.html>.
//!
//! In: SQL text, the kinds of its columns, and where its names are looked up. Out: columns of Arrow, batch after batch. Why it is our own:
//! `docs/adr/0009-own-trino-client.md`. Deliberately absent: prepared statements, transactions, interactive logins, any type but
//! whole numbers and text.

mod failure;
mod http;
mod results;
mod rows;
mod segments;
mod statement;
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use arrow::array::AsArray;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use self::http::Http;
use self::segments::ENCODINGS;
use self::statement::Statement;
use self::wire::Info;
use crate::error::{BackendError, ErrorKind, Result};
use crate::trino::TrinoConfig;

pub(crate) use self::http::Repeat;
pub(crate) use self::results::{Batch, Results};
pub(crate) use self::rows::Kind;
pub(crate) use self::wire::Stats;

/// The session property that bounds how long a query may run; waiting in a queue does not count.
const TIME_LIMIT: &str = "query_max_execution_time";
/// Time that a query which the server has not taken yet is tried for, if `retry_for_s` is not shorter.
const START_MAX: Duration = Duration::from_secs(10);
/// Time that acknowledgements are waited for at the end of a result.
const ACKS_MAX: Duration = Duration::from_secs(2);
/// Bytes of a statement. Trino's own limit, `query.max-length`, is a million characters unless set otherwise.
const STATEMENT_BYTES_MAX: usize = 64 << 20;
/// Bytes of the rows of a direct answer that Trino is asked to gather, as its data sizes are written.
const DIRECT_PAGE: &str = "16MB";

/// Where a statement's names are looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Session {
    /// The catalog of names without one.
    pub(crate) catalog: String,
    /// The schema of names without one.
    pub(crate) schema: Option<String>,
    /// Session properties by name, besides those of the settings, which they override.
    pub(crate) properties: BTreeMap<String, String>,
}

/// The client. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: Http,
    headers: HeaderMap,
    /// Session properties of the settings.
    properties: BTreeMap<String, String>,
    segments_at_once: usize,
}

impl Client {
    /// A client; it connects when it is asked something.
    ///
    /// # Errors
    ///
    /// `Rejected` for settings that make no sense, or would show credentials to the network.
    pub(crate) fn new(config: &TrinoConfig) -> Result<Self> {
        let mut headers = HeaderMap::new();
        let mut add = |name: &'static str, value: &str| -> Result<()> {
            headers.insert(HeaderName::from_static(name), header(name, value)?);
            Ok(())
        };
        add("x-trino-user", &config.user)?;
        add("x-trino-source", "muster")?;
        add("x-trino-time-zone", "UTC")?;
        add("x-trino-client-capabilities", "PARAMETRIC_DATETIME")?;
        if config.spooling {
            add("x-trino-query-data-encoding", ENCODINGS)?;
        }
        if !config.client_tags.is_empty() {
            add("x-trino-client-tags", &config.client_tags.join(","))?;
        }
        let mut session = config.session.clone();
        session.entry(TIME_LIMIT.to_owned()).or_insert_with(|| format!("{}s", config.query_timeout_s));
        add("x-trino-session", &properties(&session)?)?;
        // Trino asks for the user with every request, of which only the statement itself needs the rest.
        let user = headers.get("x-trino-user").cloned().into_iter().map(|v| (HeaderName::from_static("x-trino-user"), v));
        Ok(Self {
            http: Http::new(config, user.collect())?,
            headers,
            properties: session,
            segments_at_once: config.segments_at_once.max(1),
        })
    }

    fn headers(&self, session: &Session) -> Result<HeaderMap> {
        let mut headers = self.headers.clone();
        let mut add = |name: &'static str, value: &str| -> Result<()> {
            headers.insert(HeaderName::from_static(name), header(name, value)?);
            Ok(())
        };
        add("x-trino-catalog", &session.catalog)?;
        if let Some(schema) = &session.schema {
            add("x-trino-schema", schema)?;
        }
        if !session.properties.is_empty() {
            let mut all = self.properties.clone();
            all.extend(session.properties.clone());
            add("x-trino-session", &properties(&all)?)?;
        }
        Ok(headers)
    }

    /// Runs a statement whose result has columns of these kinds.
    ///
    /// # Errors
    ///
    /// The query's or a request's. Until the server has taken it, a statement is tried again for 10 s, one that writes only
    /// where the server certainly did not take it.
    ///
    /// # Cancel safety
    ///
    /// Safe: dropped, it leaves no query behind.
    pub(crate) async fn query(&self, sql: &str, session: &Session, kinds: &[Kind], repeat: Repeat) -> Result<Results> {
        if sql.len() > STATEMENT_BYTES_MAX {
            let what = format!("the SQL has {} bytes, {STATEMENT_BYTES_MAX} at most: use lists instead of long conditions", sql.len());
            return Err(BackendError::new(ErrorKind::Rejected, what));
        }
        let (statement, page) = Statement::start(self, sql, session, repeat).await?;
        Results::new(self, statement, page, kinds)
    }

    /// Runs a statement to its end, for the text of its only column. Meant for a few rows.
    ///
    /// # Errors
    ///
    /// As [`Client::query`].
    pub(crate) async fn texts(&self, sql: &str, session: &Session) -> Result<Vec<String>> {
        let mut results = self.query(sql, session, &[Kind::Text], Repeat::Always).await?;
        let mut out = Vec::new();
        while let Some(batch) = results.next(&|_| {}).await? {
            let texts = batch.columns.first().and_then(|c| c.as_string_opt::<i32>());
            out.extend(texts.into_iter().flatten().flatten().map(str::to_owned));
        }
        Ok(out)
    }

    /// The server's version, and whether it takes no queries yet.
    ///
    /// # Errors
    ///
    /// Those of a request.
    pub(crate) async fn version(&self) -> Result<(String, bool)> {
        let url = self.http.base.join("v1/info").map_err(|e| BackendError::internal("Trino's address does not fit").caused_by(e))?;
        let body = match self.http.attempt("asking Trino for its version", self.http.trino.get(url)).await {
            Ok(body) => body,
            Err(attempt) => return Err(attempt.into_error()),
        };
        let info: Info = serde_json::from_slice(&body)
            .map_err(|e| BackendError::new(ErrorKind::Rejected, "what answers at [trino] url is no Trino").caused_by(e))?;
        Ok((info.node_version.version, info.starting))
    }
}

fn header(name: &str, value: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(value).ok().filter(|_| value.is_ascii()).ok_or_else(|| {
        BackendError::new(ErrorKind::Rejected, format!("[trino]: \"{value}\" cannot be said in a header ({name}), which takes ASCII only"))
    })
}

/// `name=value` pairs, values percent-encoded.
fn properties(session: &BTreeMap<String, String>) -> Result<String> {
    let mut pairs = Vec::with_capacity(session.len());
    for (name, value) in session {
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')) {
            return Err(BackendError::new(ErrorKind::Rejected, format!("[trino] session: \"{name}\" is no property's name")));
        }
        let mut encoded = String::with_capacity(value.len());
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => encoded.push(byte.into()),
                _ => encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]),
            }
        }
        pairs.push([name, encoded.as_str()].join("="));
    }
    Ok(pairs.join(","))
}

fn digit(nibble: u8) -> char {
    char::from_digit(nibble.into(), 16).unwrap_or('0').to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_properties() {
        let session = BTreeMap::from([("a".to_owned(), "x,y= é".to_owned()), ("lake.b_c".to_owned(), "1".to_owned())]);
        assert_eq!(properties(&session).unwrap(), "a=x%2Cy%3D%20%C3%A9,lake.b_c=1");
        assert!(properties(&BTreeMap::from([("a,b".to_owned(), String::new())])).is_err());
    }

    #[test]
    fn headers_are_ascii() {
        assert!(Client::new(&TrinoConfig::new("http://localhost:1", "ann")).is_ok());
        assert!(Client::new(&TrinoConfig::new("http://localhost:1", "ann\n")).is_err());
        assert!(Client::new(&TrinoConfig::new("http://localhost:1", "änn")).is_err());
    }
}
