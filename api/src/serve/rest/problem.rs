//! What is answered where a request is refused or fails: RFC 9457, with codes that stay. The one place that turns errors into statuses.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use query_backends::{BackendError, ErrorKind};
use segment_core::diagnostics::Diagnostic;
use serde::Serialize;
use store::{StoreError, chain};
use utoipa::ToSchema;

use crate::failure::Failure;
use crate::output;

/// Seconds after which whoever is told to come again may, where nothing says otherwise.
const RETRY_AFTER_S: u32 = 1;
/// How the types of problems begin.
const TYPE_PREFIX: &str = "urn:muster:problem:";

/// Every kind of problem. Codes are never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Malformed,
    InvalidParameter,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Timeout,
    Exists,
    InUse,
    Archived,
    Changed,
    TooLarge,
    UnsupportedMediaType,
    InvalidCondition,
    InvalidValue,
    IdempotencyKeyReused,
    Unsupported,
    PreconditionRequired,
    RateLimited,
    Failed,
    BackendFailed,
    Unavailable,
    Busy,
    BackendUnavailable,
    BackendTimeout,
}

impl Code {
    /// Every code.
    #[cfg(test)]
    pub(crate) const ALL: [Code; 25] = [
        Self::Malformed,
        Self::InvalidParameter,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Timeout,
        Self::Exists,
        Self::InUse,
        Self::Archived,
        Self::Changed,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::InvalidCondition,
        Self::InvalidValue,
        Self::IdempotencyKeyReused,
        Self::Unsupported,
        Self::PreconditionRequired,
        Self::RateLimited,
        Self::Failed,
        Self::BackendFailed,
        Self::Unavailable,
        Self::Busy,
        Self::BackendUnavailable,
        Self::BackendTimeout,
    ];

    /// Its status, its name and what it says, whatever the request.
    pub(crate) fn told(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Malformed => (StatusCode::BAD_REQUEST, "malformed", "The request cannot be read"),
            Self::InvalidParameter => (StatusCode::BAD_REQUEST, "invalid_parameter", "A parameter is wrong"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated", "A key that holds is needed"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "The key is not for this"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "It is not there"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "The path takes other methods"),
            Self::Timeout => (StatusCode::REQUEST_TIMEOUT, "timeout", "The body took too long to arrive"),
            Self::Exists => (StatusCode::CONFLICT, "exists", "The key is taken"),
            Self::InUse => (StatusCode::CONFLICT, "in_use", "Others refer to it"),
            Self::Archived => (StatusCode::CONFLICT, "archived", "It is archived"),
            Self::Changed => (StatusCode::PRECONDITION_FAILED, "changed", "It changed since it was read"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The body is too large"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body is of a type that is not read here")
            }
            Self::InvalidCondition => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_condition", "The condition has faults"),
            Self::InvalidValue => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_value", "A value cannot be taken"),
            Self::IdempotencyKeyReused => {
                (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", "The Idempotency-Key was of another request")
            }
            Self::Unsupported => (StatusCode::UNPROCESSABLE_ENTITY, "unsupported", "No backend that is asked can answer this exactly"),
            Self::PreconditionRequired => (StatusCode::PRECONDITION_REQUIRED, "precondition_required", "If-Match is needed"),
            Self::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests with this key"),
            Self::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "failed", "The server failed"),
            Self::BackendFailed => (StatusCode::BAD_GATEWAY, "backend_failed", "The backend failed"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Storage does not answer now"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "Too much is under way"),
            Self::BackendUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "backend_unavailable", "The backend does not answer now"),
            Self::BackendTimeout => (StatusCode::GATEWAY_TIMEOUT, "backend_timeout", "The backend took too long"),
        }
    }
}

/// One fault or one warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Fault {
    /// A stable word.
    pub(crate) code: String,
    /// JSON pointer to what is at fault: into the body of the request; of a warning and in `diagnostics`, into the condition.
    pub(crate) pointer: String,
    /// What is wrong, for people.
    pub(crate) message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

impl From<&Diagnostic> for Fault {
    fn from(d: &Diagnostic) -> Self {
        let code = serde_json::to_value(d.code).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
        Self { code, pointer: d.pointer.clone(), message: d.message.clone(), hint: d.hint.clone() }
    }
}

/// Diagnostics as they are shown.
pub(crate) fn faults(diagnostics: &[Diagnostic]) -> Vec<Fault> {
    diagnostics.iter().map(Fault::from).collect()
}

/// A problem as it is sent (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Shown {
    /// `urn:muster:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// What the code says, whatever the request.
    title: &'static str,
    /// The status.
    status: u16,
    /// A stable word for programs.
    code: &'static str,
    /// What is wrong with this request, where, and what to do.
    detail: String,
    /// The request's id, as in `X-Request-Id`.
    request_id: String,
    /// Every fault of the body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    /// What is suspicious about the condition besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Fault>,
    /// The keys of the segments that refer to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dependents: Vec<String>,
}

/// Why a request is refused, or what failed.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    detail: Box<str>,
    errors: Vec<Fault>,
    warnings: Vec<Fault>,
    dependents: Vec<String>,
    retry_after_s: Option<u32>,
    /// What the operator is told, and the caller is not.
    internal: Option<Box<str>>,
}

/// What handlers answer.
pub(crate) type Answer<T = Response> = Result<T, Problem>;

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<Box<str>>) -> Self {
        let retry_after_s =
            matches!(code, Code::Unavailable | Code::Busy | Code::BackendUnavailable | Code::BackendTimeout | Code::RateLimited)
                .then_some(RETRY_AFTER_S);
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            warnings: Vec::new(),
            dependents: Vec::new(),
            retry_after_s,
            internal: None,
        }
    }

    /// One with a fault of the body.
    pub(crate) fn at(code: Code, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        let message = message.into();
        let fault = Fault { code: code.told().1.to_owned(), pointer: pointer.into(), message: message.clone(), hint: None };
        Self { errors: vec![fault], ..Self::new(code, message) }
    }

    /// One with all faults of a body.
    pub(crate) fn of_faults(errors: Vec<Fault>) -> Self {
        let detail = errors.iter().map(|e| format!("{}: {}", e.pointer, e.message)).collect::<Vec<_>>().join("; ");
        Self { errors, ..Self::new(Code::InvalidValue, detail) }
    }

    /// Something that is no fault of the caller's; the operator is told what.
    pub(crate) fn failed(internal: impl Into<Box<str>>) -> Self {
        let detail = "something is wrong with the server or its data; its standard error says more, under the request's id";
        Self { internal: Some(internal.into()), ..Self::new(Code::Failed, detail) }
    }

    /// The same, to be tried again no sooner.
    pub(crate) fn after(self, seconds: u64) -> Self {
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        Self { retry_after_s: Some(seconds.max(RETRY_AFTER_S)), ..self }
    }

    /// The same with faults that are below a member of the body.
    pub(crate) fn below(mut self, pointer: &str) -> Self {
        self.errors.iter_mut().for_each(|e| e.pointer.insert_str(0, pointer));
        self
    }

    /// As it is sent, once the request's id is known.
    pub(super) fn render(self, request_id: &str) -> Response {
        let (status, code, title) = self.code.told();
        if let Some(internal) = self.internal.as_ref().filter(|_| status.is_server_error()) {
            output::note(&format!("muster: request {request_id}: {code}: {internal}"));
        }
        let shown = Shown {
            kind: format!("{TYPE_PREFIX}{code}"),
            title,
            status: status.as_u16(),
            code,
            detail: self.detail.into_string(),
            request_id: request_id.to_owned(),
            errors: self.errors,
            warnings: self.warnings,
            dependents: self.dependents,
        };
        // Strings and numbers alone always have a JSON text.
        let body = serde_json::to_string(&shown).unwrap_or_default();
        let mut response = (status, [(CONTENT_TYPE, "application/problem+json"), (CACHE_CONTROL, "no-store")], body).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == Code::Unauthenticated {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Without a body: whoever gives the request its id makes that.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.code.told().0.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let told = failure.to_string();
        match failure {
            Failure::Condition { diagnostics, warnings } => {
                let told = told.lines().next().unwrap_or_default();
                Self { errors: faults(&diagnostics), warnings: faults(&warnings), ..Self::new(Code::InvalidCondition, told) }
            }
            Failure::Used { by, .. } => Self { dependents: by, ..Self::new(Code::InUse, told) },
            Failure::Refused(_) => Self::new(Code::InvalidValue, told),
            Failure::Usage(_) => Self::new(Code::InvalidParameter, told),
            Failure::NotFound(_) => Self::new(Code::NotFound, told),
            Failure::Exists(_) => Self::new(Code::Exists, told),
            Failure::Archived(_) => Self::new(Code::Archived, told),
            Failure::Changed(_) => Self::new(Code::Changed, told),
            Failure::Busy(_) => {
                let detail = "storage does not take this now, as while an import or another server has it: try again";
                Self { internal: Some(told.into()), ..Self::new(Code::Unavailable, detail) }
            }
            Failure::Broken(_)
            | Failure::Config(_)
            | Failure::Import(_)
            | Failure::Unreachable(_)
            | Failure::Cancelled
            | Failure::Reported
            | Failure::OutputClosed => Self::failed(told),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Failure::from(error).into()
    }
}

impl From<BackendError> for Problem {
    fn from(error: BackendError) -> Self {
        let code = match error.kind {
            ErrorKind::Unavailable | ErrorKind::Overloaded | ErrorKind::Cancelled => Code::BackendUnavailable,
            ErrorKind::Timeout => Code::BackendTimeout,
            ErrorKind::Unsupported => Code::Unsupported,
            ErrorKind::Rejected | ErrorKind::SchemaDrift | ErrorKind::PermissionDenied | ErrorKind::Internal => Code::BackendFailed,
        };
        let problem = Self { internal: Some(chain(&error).into()), ..Self::new(code, error.what) };
        match error.retry_after {
            Some(wait) => problem.after(wait.as_secs_f64().ceil() as u64),
            None => problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_backends_say_whether_to_come_again() {
        for kind in ErrorKind::ALL {
            let answer = Problem::from(BackendError::new(kind, "it did not go")).render("r");
            let retried = answer.headers().contains_key(RETRY_AFTER);
            assert_eq!(retried, kind.is_retryable() || kind == ErrorKind::Cancelled, "{}", kind.name());
            let expected: &[u16] = if retried { &[503, 504] } else { &[422, 502] };
            assert!(expected.contains(&answer.status().as_u16()), "{}", kind.name());
        }
        let waited =
            BackendError { retry_after: Some(std::time::Duration::from_millis(2500)), ..BackendError::new(ErrorKind::Overloaded, "full") };
        assert_eq!(Problem::from(waited).render("r").headers()[RETRY_AFTER], "3");
    }

    #[tokio::test]
    async fn what_failed_inside_stays_there() {
        for (failure, status) in [(Failure::Broken("/secret/path".to_owned()), 500), (Failure::Busy("/secret/path".to_owned()), 503)] {
            let answer = Problem::from(failure).render("r7");
            assert_eq!(answer.status().as_u16(), status);
            let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
            let text = std::str::from_utf8(&body).unwrap();
            assert!(!text.contains("secret") && text.contains(r#""request_id":"r7""#), "{text}");
        }
    }

    #[test]
    fn every_code_is_told_of() {
        let document = include_str!("../../../../docs/api.md");
        let told: Vec<&str> = document.lines().filter(|l| l.starts_with("| `") && l.contains("` | ")).collect();
        let rows = Code::ALL.map(Code::told).map(|(status, code, _)| format!("| `{code}` | {} |", status.as_u16()));
        for row in &rows {
            assert!(told.iter().any(|line| line.starts_with(row)), "docs/api.md lacks {row}");
        }
        let listed = told.iter().filter(|l| l.split(" | ").nth(1).is_some_and(|status| status.parse::<u16>().is_ok()));
        assert_eq!(listed.count(), rows.len());
    }
}
