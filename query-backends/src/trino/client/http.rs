//! Requests: who asks, how long, how often.
//!
//! Two clients: one that shows our credentials, for Trino's own resources, which follows no redirect; and one that shows none, for segments,
//! whose addresses are signed. A request is repeated only where that cannot do a thing twice ([`Repeat`]).

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder, Response, StatusCode, Url};

use super::failure::shown;
use crate::error::{BackendError, ErrorKind, Result};
use crate::trino::TrinoConfig;

/// Bytes of an answer at most: a segment or a page, compressed or not.
pub(super) const ANSWER_BYTES_MAX: u64 = 256 << 20;
/// Time to connect.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Waiting before the first repetition; it doubles with each, up to the other.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// Bytes of a refusal's text that are read.
const REFUSAL_BYTES_MAX: usize = 8 << 10;
/// Redirects that are followed to a segment.
const REDIRECTS_MAX: usize = 5;

/// What may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Asking twice is asking once.
    Always,
    /// The same of an object store, whose internal errors pass; Trino's do not.
    Stored,
    /// Only if the server certainly did not take it: a statement that writes.
    Refused,
}

/// The two clients.
#[derive(Debug, Clone)]
pub(super) struct Http {
    /// With credentials.
    pub(super) trino: Client,
    /// Without.
    pub(super) segments: Client,
    /// Where Trino is.
    pub(super) base: Url,
    /// Whether credentials are shown.
    pub(super) authenticated: bool,
    request_timeout: Duration,
    pub(super) retry_for: Duration,
}

impl Http {
    /// # Errors
    ///
    /// `Rejected` for settings that make no sense, or would show credentials to the network; `Unavailable` for a file of certificates that
    /// cannot be read.
    pub(super) fn new(config: &TrinoConfig, headers: HeaderMap) -> Result<Self> {
        let refused = |what: String| BackendError::new(ErrorKind::Rejected, what);
        let base = Url::parse(&config.url).map_err(|e| refused("[trino] url is no address".to_owned()).caused_by(e))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(refused("[trino] url begins neither with http:// nor with https://".to_owned()));
        }
        let authorization = authorization(config)?;
        let authenticated = authorization.is_some();
        if authenticated && base.scheme() != "https" && !is_loopback(&base) {
            return Err(refused("[trino] has a password or token, which is shown only over https://".to_owned()));
        }
        let request_timeout = Duration::from_secs(config.request_timeout_s.max(1));
        let builder = || -> Result<reqwest::ClientBuilder> {
            let mut builder = Client::builder().connect_timeout(CONNECT_MAX.min(request_timeout)).read_timeout(request_timeout);
            if let Some(path) = &config.ca_file {
                for certificate in certificates(path)? {
                    builder = builder.add_root_certificate(certificate);
                }
            }
            Ok(builder)
        };
        let mut trino_headers = headers;
        if let Some(value) = authorization {
            trino_headers.insert(reqwest::header::AUTHORIZATION, value);
        }
        let built = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|e| BackendError::new(ErrorKind::Unavailable, "cannot set a client for Trino up").caused_by(e))
        };
        Ok(Self {
            trino: built(builder()?.default_headers(trino_headers).redirect(Policy::none()))?,
            segments: built(builder()?.redirect(Policy::limited(REDIRECTS_MAX)))?,
            base,
            authenticated,
            request_timeout,
            retry_for: Duration::from_secs(config.retry_for_s),
        })
    }

    /// An address that Trino gave, refused if credentials would go elsewhere.
    pub(super) fn own(&self, address: &str) -> Result<Url> {
        let url = Url::parse(address).map_err(|e| BackendError::internal("Trino gave an address that is none").caused_by(e))?;
        if self.authenticated && url.origin() != self.base.origin() {
            let what = format!(
                "Trino is at {} and says that its answers are at {}: credentials are not shown there. Behind a proxy set \
                 http-server.process-forwarded=true",
                self.base.origin().ascii_serialization(),
                url.origin().ascii_serialization()
            );
            return Err(BackendError::new(ErrorKind::Rejected, what));
        }
        Ok(url)
    }

    /// Sends until there is an answer, or time is over, or repeating would not help. `what` says what is asked for.
    pub(super) async fn fetch(&self, what: &str, request: impl Fn() -> RequestBuilder, repeat: Repeat) -> Result<Vec<u8>> {
        let mut waits = Waits::new(self.retry_for);
        loop {
            match self.attempt(what, request()).await {
                Ok(body) => return Ok(body),
                Err(attempt) => tokio::time::sleep(waits.next(attempt, repeat)?).await,
            }
        }
    }

    /// Sends once.
    pub(super) async fn attempt(&self, what: &str, request: RequestBuilder) -> std::result::Result<Vec<u8>, Attempt> {
        // The client's own limit is on each read; this one also on a server that takes the connection and says nothing.
        let sent = tokio::time::timeout(self.request_timeout + CONNECT_MAX, request.send()).await;
        let response = match sent {
            Ok(response) => response.map_err(|e| self.unanswered(what, e))?,
            Err(_) => return Err(Attempt::again(self.silent(what), Taken::Perhaps)),
        };
        if !response.status().is_success() {
            return Err(refusal(what, response).await);
        }
        self.body(what, response).await
    }

    async fn body(&self, what: &str, mut response: Response) -> std::result::Result<Vec<u8>, Attempt> {
        let too_long = || {
            let what = format!("{what}: an answer of more than {} MiB", ANSWER_BYTES_MAX >> 20);
            Attempt::last(BackendError::new(ErrorKind::Rejected, what))
        };
        let length = response.content_length().unwrap_or_default();
        if length > ANSWER_BYTES_MAX {
            return Err(too_long());
        }
        let mut body = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        // A body that ends before its announced length is an error here.
        while let Some(chunk) = response.chunk().await.map_err(|e| self.unanswered(what, e))? {
            if (body.len() + chunk.len()) as u64 > ANSWER_BYTES_MAX {
                return Err(too_long());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn silent(&self, what: &str) -> BackendError {
        BackendError::new(ErrorKind::Timeout, format!("{what}: no answer in {} s", self.request_timeout.as_secs()))
    }

    fn unanswered(&self, what: &str, error: reqwest::Error) -> Attempt {
        // Addresses of segments are signed: whoever reads a log must not be able to fetch them.
        let error = error.without_url();
        if error.is_connect() {
            if is_distrust(&error) {
                let what = format!("{what}: no TLS, or no certificate that is trusted (those of an authority of your own go into ca_file)");
                return Attempt::last(BackendError::new(ErrorKind::Unavailable, what).caused_by(error));
            }
            let kind = if error.is_timeout() { ErrorKind::Timeout } else { ErrorKind::Unavailable };
            return Attempt::again(BackendError::new(kind, format!("{what}: cannot connect")).caused_by(error), Taken::No);
        }
        if error.is_timeout() {
            return Attempt::again(self.silent(what).caused_by(error), Taken::Perhaps);
        }
        if error.is_builder() {
            return Attempt::last(BackendError::internal(format!("{what}: it cannot be asked")).caused_by(error));
        }
        let broke = BackendError::new(ErrorKind::Unavailable, format!("{what}: the connection broke")).caused_by(error);
        Attempt::again(broke, Taken::Perhaps)
    }
}

/// Whether a server may have done what it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    No,
    Perhaps,
    /// It failed over it.
    Badly,
}

/// A request that failed.
#[derive(Debug)]
pub(super) struct Attempt {
    error: BackendError,
    /// Whether the next one may do better, and whether this one was taken.
    again: Option<Taken>,
    /// The least time to wait, as the server says.
    after: Option<Duration>,
}

impl Attempt {
    fn again(error: BackendError, taken: Taken) -> Self {
        Self { after: error.retry_after, error, again: Some(taken) }
    }

    /// What is told when there is no other attempt.
    pub(super) fn into_error(self) -> BackendError {
        self.error
    }

    fn last(error: BackendError) -> Self {
        Self { error, again: None, after: None }
    }
}

/// The times between repetitions.
pub(super) struct Waits {
    until: Instant,
    backoff: Duration,
}

impl Waits {
    pub(super) fn new(repeat_for: Duration) -> Self {
        Self { until: Instant::now() + repeat_for, backoff: BACKOFF_MIN }
    }

    /// How long to wait before the next attempt; the error if there is to be none.
    pub(super) fn next(&mut self, attempt: Attempt, repeat: Repeat) -> Result<Duration> {
        let may = match (attempt.again, repeat) {
            (None, _) | (Some(Taken::Perhaps), Repeat::Refused) | (Some(Taken::Badly), Repeat::Always | Repeat::Refused) => false,
            (Some(Taken::No), _) | (Some(Taken::Perhaps), Repeat::Always) | (Some(_), Repeat::Stored) => true,
        };
        // Between half and all of it, so that many who wait do not come back together.
        let share = 0.5 + (RandomState::new().hash_one(()) >> 11) as f64 / (1_u64 << 54) as f64;
        let wait = self.backoff.mul_f64(share).max(attempt.after.unwrap_or_default());
        if !may || Instant::now() + wait > self.until {
            return Err(attempt.error);
        }
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
        Ok(wait)
    }
}

/// What a status that is no success means.
async fn refusal(what: &str, mut response: Response) -> Attempt {
    let status = response.status();
    let after = retry_after(&response);
    let at = response.url().host_str().unwrap_or_default().to_owned();
    let (kind, taken) = match status {
        StatusCode::TOO_MANY_REQUESTS => (ErrorKind::Overloaded, Some(Taken::No)),
        StatusCode::SERVICE_UNAVAILABLE => (ErrorKind::Unavailable, Some(Taken::No)),
        StatusCode::BAD_GATEWAY => (ErrorKind::Unavailable, Some(Taken::Perhaps)),
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => (ErrorKind::Timeout, Some(Taken::Perhaps)),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (ErrorKind::PermissionDenied, None),
        StatusCode::NOT_FOUND | StatusCode::GONE => (ErrorKind::Unavailable, None),
        status if status.is_server_error() => (ErrorKind::Internal, Some(Taken::Badly)),
        _ => (ErrorKind::Rejected, None),
    };
    let mut body = Vec::new();
    // For people only, so that a failure to read it changes nothing.
    while body.len() < REFUSAL_BYTES_MAX
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    let text = shown(String::from_utf8_lossy(&body).trim());
    let why = match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => ": it was started anew, or gave the query or the segment up",
        _ => "",
    };
    let mut error = BackendError::new(kind, format!("{what}: {at} answers {status}{why}"));
    if !text.is_empty() {
        error = error.caused_by(text);
    }
    error.retry_after = after.or(error.retry_after);
    match taken {
        Some(taken) => Attempt { after, error, again: Some(taken) },
        None => Attempt::last(error),
    }
}

/// `Retry-After` in seconds. Dates, which it also may be, are left to the own backoff.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Whether a certificate was not trusted, or the other side speaks no TLS: nothing that passes.
fn is_distrust(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            if io.kind() == std::io::ErrorKind::InvalidData {
                return true;
            }
            // An error in another's clothes does not name it as its source.
            if let Some(inner) = io.get_ref()
                && is_distrust(inner)
            {
                return true;
            }
        }
        next = error.source();
    }
    false
}

fn authorization(config: &TrinoConfig) -> Result<Option<HeaderValue>> {
    use base64::Engine as _;
    let text = match (&config.password, &config.token) {
        (Some(_), Some(_)) => return Err(BackendError::new(ErrorKind::Rejected, "[trino] has both a password and a token")),
        (None, None) => return Ok(None),
        (Some(password), None) => {
            let pair = [config.user.as_str(), password.reveal()].join(":");
            ["Basic ", &base64::engine::general_purpose::STANDARD.encode(pair)].concat()
        }
        (None, Some(token)) => ["Bearer ", token.reveal()].concat(),
    };
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| BackendError::new(ErrorKind::Rejected, "[trino] token has characters that no header can"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn certificates(path: &std::path::Path) -> Result<Vec<Certificate>> {
    let pem = std::fs::read(path).map_err(|e| {
        BackendError::new(crate::error::io_kind(&e), format!("cannot read the certificates in {}", path.display())).caused_by(e)
    })?;
    let none = || BackendError::new(ErrorKind::Rejected, format!("there are no certificates (PEM) in {}", path.display()));
    let found = Certificate::from_pem_bundle(&pem).map_err(|e| none().caused_by(e))?;
    if found.is_empty() { Err(none()) } else { Ok(found) }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use store::Secret;

    use super::*;

    fn config(url: &str) -> TrinoConfig {
        TrinoConfig { password: Some(Secret::new("p")), ..TrinoConfig::new(url, "u") }
    }

    fn refused(config: &TrinoConfig) -> String {
        match Http::new(config, HeaderMap::new()) {
            Err(e) => {
                assert_eq!(e.kind, ErrorKind::Rejected);
                e.to_string()
            }
            Ok(_) => panic!("{} is accepted", config.url),
        }
    }

    #[test]
    fn credentials_stay_where_they_belong() {
        assert!(refused(&config("http://trino.example:8080")).contains("https://"));
        assert!(refused(&config("ftp://x")).contains("http://"));
        assert!(refused(&TrinoConfig { token: Some(Secret::new("t")), ..config("https://x") }).contains("both"));
        for url in ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "https://trino.example"] {
            assert!(Http::new(&config(url), HeaderMap::new()).is_ok(), "{url}");
        }
        let http = Http::new(&config("https://trino.example"), HeaderMap::new()).unwrap();
        assert!(http.own("https://trino.example/v1/statement/queued/1").is_ok());
        for elsewhere in ["http://trino.example/", "https://trino.example:8443/", "https://other.example/"] {
            assert!(http.own(elsewhere).is_err(), "{elsewhere}");
        }
    }

    #[test]
    fn what_may_have_been_taken_is_not_repeated_for_writers() {
        let attempt = |taken| Attempt::again(BackendError::new(ErrorKind::Unavailable, "x"), taken);
        let mut waits = Waits::new(Duration::from_secs(60));
        assert!(waits.next(attempt(Taken::Perhaps), Repeat::Refused).is_err());
        assert!(waits.next(attempt(Taken::No), Repeat::Refused).is_ok());
        assert!(waits.next(attempt(Taken::Badly), Repeat::Always).is_err());
        assert!(waits.next(attempt(Taken::Badly), Repeat::Stored).is_ok());
        assert!(waits.next(attempt(Taken::Perhaps), Repeat::Always).is_ok());
        assert!(waits.next(Attempt::last(BackendError::internal("x")), Repeat::Always).is_err());
        let long = Attempt { after: Some(Duration::from_secs(61)), ..attempt(Taken::No) };
        assert!(waits.next(long, Repeat::Always).is_err());
        let told = Attempt { after: Some(Duration::from_secs(7)), ..attempt(Taken::No) };
        assert!(waits.next(told, Repeat::Always).unwrap() >= Duration::from_secs(7));
    }
}
