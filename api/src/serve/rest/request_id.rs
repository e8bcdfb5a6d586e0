//! The request's id: the caller's, or one of our own; and the body of problems, which has it.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use uuid::Uuid;

use super::problem::{Code, Problem};

/// The header, of requests and answers.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Characters of an id.
const ID_CHARS_MAX: usize = 128;

/// The id of a caller that names its requests, if it can be one: letters, digits, `-`, `_`, `.`, `:`.
fn given(request: &Request) -> Option<Result<String, Problem>> {
    let text = request.headers().get(HEADER)?.as_bytes();
    let fine = (1..=ID_CHARS_MAX).contains(&text.len()) && text.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(b));
    Some(if fine {
        Ok(String::from_utf8_lossy(text).into_owned())
    } else {
        let what = format!("X-Request-Id has 1 to {ID_CHARS_MAX} letters, digits, -, _, . and :");
        Err(Problem::new(Code::Malformed, what))
    })
}

/// Gives a request its id, and its problem a body.
pub(super) async fn identify(request: Request, next: Next) -> Response {
    let made = || Uuid::new_v4().simple().to_string();
    let (id, refused) = match given(&request) {
        None => (made(), None),
        Some(Ok(id)) => (id, None),
        Some(Err(problem)) => (made(), Some(problem)),
    };
    let mut response = match refused {
        Some(problem) => problem.render(&id),
        None => {
            let mut response = next.run(request).await;
            match response.extensions_mut().remove::<Problem>() {
                Some(problem) => {
                    let mut rendered = problem.render(&id);
                    // What the router said besides, such as the methods that a path takes.
                    for (name, value) in response.headers() {
                        if !rendered.headers().contains_key(name) {
                            rendered.headers_mut().insert(name.clone(), value.clone());
                        }
                    }
                    rendered
                }
                None => response,
            }
        }
    };
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}
