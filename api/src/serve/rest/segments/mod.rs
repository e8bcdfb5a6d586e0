//! `/segments`: saved conditions, their versions, and conditions that are not saved.

mod archive;
mod create;
mod draft;
mod edit;
mod evaluate;
mod read;
mod shown;
mod versions;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::serve::Serving;

/// All paths.
pub(super) fn router() -> OpenApiRouter<Arc<Serving>> {
    OpenApiRouter::new()
        .routes(routes!(read::list, create::create))
        .routes(routes!(evaluate::validate))
        .routes(routes!(evaluate::sql))
        .routes(routes!(evaluate::explain))
        .routes(routes!(evaluate::count))
        .routes(routes!(read::one, edit::edit, archive::delete))
        .routes(routes!(archive::archive))
        .routes(routes!(archive::unarchive))
        .routes(routes!(read::dependents))
        .routes(routes!(versions::list))
        .routes(routes!(versions::one))
        .routes(routes!(versions::restore))
        .routes(routes!(evaluate::saved_validate))
        .routes(routes!(evaluate::saved_sql))
        .routes(routes!(evaluate::saved_explain))
        .routes(routes!(evaluate::saved_count))
}
