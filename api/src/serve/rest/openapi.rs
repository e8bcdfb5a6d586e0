//! The description of everything below `/api/v1`, made from the handlers: docs/openapi.json.

use std::sync::Arc;

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder, ServerBuilder,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use super::problem::Shown;
use super::{catalog, lists, segments};
use crate::serve::Serving;

/// What every operation may answer besides.
const COMMON: [(&str, &str); 6] = [
    ("400", "malformed"),
    ("401", "unauthenticated"),
    ("403", "forbidden"),
    ("429", "rate_limited, with Retry-After"),
    ("500", "failed"),
    ("503", "unavailable or busy, with Retry-After"),
];
const PROBLEM: &str = "application/problem+json";

/// The router, and its description.
pub(super) fn parts() -> (axum::Router<Arc<Serving>>, OpenApi) {
    let about = OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Muster")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some("Segments, catalog and lists of the workspace that the key opens; of a key's scopes each operation states the one it needs. Every request may \
                     have X-Request-Id, and every answer has it."))
                .build(),
        )
        .servers(Some([ServerBuilder::new().url("/api/v1").build()]))
        .components(Some(
            ComponentsBuilder::new()
                .schema("Problem", Shown::schema())
                .security_scheme("key", SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()))
                .build(),
        ))
        .build();
    let all = OpenApiRouter::with_openapi(about).merge(segments::router()).merge(catalog::router()).merge(lists::router());
    let (router, mut document) = all.split_for_parts();
    if let Some(components) = document.components.as_mut() {
        let mut schemas = Vec::new();
        Shown::schemas(&mut schemas);
        components.schemas.extend(schemas);
    }
    for (path, item) in &mut document.paths.paths {
        let methods = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("delete", &mut item.delete),
            ("patch", &mut item.patch),
        ];
        for (method, operation) in methods {
            if let Some(operation) = operation {
                complete(operation, method, path);
            }
        }
    }
    (router, document)
}

/// Adds a name that no other operation has, what every operation may answer, and the form of its problems.
fn complete(operation: &mut Operation, method: &str, path: &str) {
    let words = path.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    operation.operation_id = Some(std::iter::once(method).chain(words).collect::<Vec<_>>().join("_"));
    let content = || ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    for (status, what) in COMMON {
        let response = operation.responses.responses.entry(status.to_owned());
        response.or_insert_with(|| ResponseBuilder::new().description(what).build().into());
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            if response.description.is_empty() {
                response.description = "done".to_owned();
            }
            if status.starts_with(['4', '5']) {
                response.content.insert(PROBLEM.to_owned(), RefOr::T(content()));
            }
        }
    }
}

/// The description as text: what docs/openapi.json has.
pub(super) fn text(document: &OpenApi) -> String {
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_refers_to_is_there() {
        let text = text(&parts().1);
        let refers = text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        for name in refers {
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
    }

    /// The committed description is that of the code. `MUSTER_BLESS=1 cargo test -p api openapi` writes it.
    #[test]
    fn the_committed_description_is_that_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
        let made = text(&parts().1);
        if std::env::var_os("MUSTER_BLESS").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        assert!(
            std::fs::read_to_string(path).unwrap_or_default() == made,
            "MUSTER_BLESS=1 cargo test -p api openapi writes docs/openapi.json"
        );
    }
}
