//! The made-up events as somebody else's: the generator's files in folders of a day each, below a folder of S3, read where they are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ingest::{ImportRequest, NoProgress};
use muster_benches::events::{DAYS, LAST_DAY, NAMES};
use muster_benches::{Result, files};
use segment_core::declare::declare;
use segment_core::json::Json;
use store::{Store, engines};

use crate::data::{self, DataSet, Place};

/// The data set `made`, whose files are written already, as a workspace of users alone that is bound to those of events.
///
/// The gateway of `scripts/engines` serves a folder, which is written to as others would write.
pub async fn bound(place: &Place, made: &DataSet) -> Result<DataSet> {
    crate::say("binding a workspace to the made-up files");
    let name = format!("{}_in_place", place.prefix);
    let folder = std::path::Path::new(&engines::setting("MUSTER_ENGINES_DIR")?).join("s3/data/hive").join(&name);
    for day in 0..DAYS {
        let date = segment_core::time::format_date(LAST_DAY - DAYS as i32 + 1 + day as i32);
        let partition = folder.join(format!("dt={date}"));
        std::fs::create_dir_all(&partition)?;
        std::fs::copy(files::events_file(&data::made_folder(place), day), partition.join("part-0.parquet"))?;
    }
    let store = Store::open_with(place.folder.join("store"), place.store.clone()).await?;
    let workspace = store.create_workspace(&name, "UTC").await?;
    let pinned = workspace.pin().await?;
    let declared = declare(&pinned.catalog, &Json::parse(&declaration(&name)).map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
    workspace.set_catalog(pinned.version, &declared).await?;
    let mut request = ImportRequest::new(data::now()?, place.folder.join("rejects"));
    request.users = vec![files::users_file(&data::made_folder(place))];
    let started = Instant::now();
    ingest::import(&workspace, request, Arc::new(NoProgress)).await?;
    let import: Duration = started.elapsed();
    let (segments, library) = (made.segments.clone(), made.library.clone());
    Ok(DataSet { name: "made, in place", pinned: Arc::new(workspace.pin().await?), segments, library, as_of: made.as_of, import })
}

/// What the files hold.
fn declaration(name: &str) -> String {
    let properties =
        r#""amount": {"type": "number"}, "quantity": {"type": "integer"}, "category": {"type": "string"}, "page": {"type": "string"}"#;
    let columns = r#""amount": "amount", "quantity": "quantity", "category": "category", "page": "page""#;
    let events: Vec<String> = NAMES.iter().map(|name| format!(r#""{name}": {{}}"#)).collect();
    format!(
        r#"{{"properties": {{{properties}}}, "events": {{{}}},
        "events_table": {{"format": "hive-parquet", "location": "s3://hive/{name}/", "partitions": [{{"column": "dt", "format": "date"}}],
        "user_id": "user_id", "event": "event", "ts": {{"column": "ts", "type": "timestamp"}}, "message_id": "message_id",
        "slack_seconds": 0, "properties": {{{columns}}}}}}}"#,
        events.join(", ")
    )
}
