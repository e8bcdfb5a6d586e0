//! Loading a world into a lake, embedded or shared, for backends that read it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use segment_core::catalog::{Catalog, Scope};
use segment_core::eval::{Event, User};
use segment_core::time::Zone;
use segment_core::types::Type;
use segment_core::value::Value;
use store::{AttributeWrite, ColumnsBuilder, LAKE_TIMEZONE, ProfileWrite, Seen, Store, StoreConfig, StoreError, Workspace};

use super::{Fixture, Loaded, World, chain};
use crate::backend::Backend;

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;

/// Loads worlds into stores below a folder, for one backend.
pub struct LakeFixture<'a> {
    folder: &'a Path,
    backend: Arc<dyn Backend>,
    config: StoreConfig,
    workspace: String,
    loaded: usize,
}

impl<'a> LakeFixture<'a> {
    /// A fixture that keeps its stores in a folder.
    pub fn new(folder: &'a Path, backend: Arc<dyn Backend>) -> Self {
        Self { folder, backend, config: StoreConfig::default(), workspace: "default".to_owned(), loaded: 0 }
    }

    /// The same for stores with a shared lake, or profiles elsewhere. Workspaces' names begin with `workspace` and are numbered; nobody else
    /// who shares that lake may have them.
    pub fn shared(self, config: StoreConfig, workspace: impl Into<String>) -> Self {
        Self { config, workspace: workspace.into(), ..self }
    }
}

#[async_trait]
impl Fixture for LakeFixture<'_> {
    async fn load(&mut self, world: &World) -> Result<Loaded, String> {
        self.loaded += 1;
        let folder = self.folder.join(format!("world-{}", self.loaded));
        let name =
            if self.config == StoreConfig::default() { self.workspace.clone() } else { format!("{}_{}", self.workspace, self.loaded) };
        let pinned = async {
            let workspace = Store::open_with(folder, self.config.clone()).await?.create_workspace(&name, &world.catalog.timezone).await?;
            write(&workspace, world).await?;
            workspace.pin().await
        };
        let pinned = pinned.await.map_err(|e| chain(&e))?;
        Ok(Loaded { backend: self.backend.clone(), pinned: Some(Arc::new(pinned)), world: world.clone() })
    }
}

/// Writes a world into an empty workspace: in two imports, the first under the narrower catalog, of the rows that fit it.
///
/// # Errors
///
/// The store's.
pub async fn write(workspace: &Workspace, world: &World) -> Result<(), StoreError> {
    let mut fitting = Vec::new();
    let mut others = Vec::new();
    for user in &world.users {
        let fits = |row: &BTreeMap<String, Value>, scope: Scope| narrowed(row, &world.narrow, scope, &world.zone()).is_some();
        let (early, late): (Vec<Event>, Vec<Event>) = user.events.iter().cloned().partition(|e| fits(&e.properties, Scope::Property));
        let attributes = if fits(&user.attributes, Scope::Attribute) { &mut fitting } else { &mut others };
        attributes.push(User { events: Vec::new(), ..user.clone() });
        for (rows, events) in [(&mut fitting, early), (&mut others, late)] {
            if !events.is_empty() {
                rows.push(User { user_id: user.user_id.clone(), events, ..User::default() });
            }
        }
    }
    import(workspace, &world.narrow, &fitting, world).await?;
    // A catalog's columns are named in the order they came to be, so the wider one grows out of the narrower.
    import(workspace, &world.catalog, &others, world).await?;
    for (key, ids) in &world.lists {
        workspace.replace_list(key, ids.iter().cloned().collect(), serde_json::Value::Null).await?;
    }
    Ok(())
}

/// Imports profiles (users without events here) and events (users without a profile here).
async fn import(workspace: &Workspace, catalog: &Catalog, users: &[User], world: &World) -> Result<(), StoreError> {
    let zone = world.zone();
    let mut writer = workspace.begin_write().await?;
    writer.set_catalog(catalog).await?;
    let mut days: BTreeMap<i64, Vec<(u64, &str, &Event)>> = BTreeMap::new();
    for user in users {
        let number = writer.user_numbers(&[&user.user_id])?.first().copied().unwrap_or_default();
        let whole = world.users.iter().find(|u| u.user_id == user.user_id);
        if user.events.is_empty() {
            let first_event = whole.and_then(|u| u.events.iter().map(|e| e.ts).min());
            let known_by_events = user.attributes.is_empty() && first_event.is_some() && first_event == user.first_seen_at;
            if !known_by_events {
                let row = narrowed(&user.attributes, catalog, Scope::Attribute, &zone).unwrap_or_default();
                let attributes = row.into_iter().map(|(name, value)| (name, AttributeWrite::Value(value))).collect();
                let user_id = user.user_id.clone();
                writer.upsert_profiles(vec![ProfileWrite {
                    user_id,
                    attributes,
                    written_at: 0,
                    first_seen_at: user.first_seen_at,
                    of_events: false,
                }])?;
            }
        }
        for event in &user.events {
            writer.note_events(&[Seen { user_no: number, first: event.ts, last: event.ts }])?;
            days.entry(event.ts.div_euclid(DAY_US)).or_default().push((number, &user.user_id, event));
        }
    }
    for (day, mut events) in days {
        events.sort_by(|(a, _, x), (b, _, y)| (&x.name, a, x.ts, &x.message_id).cmp(&(&y.name, b, y.ts, &y.message_id)));
        let day = i32::try_from(day).map_err(|_| StoreError::Invalid("an event lies beyond all days".to_owned()))?;
        let mut file = writer.event_file(day)?;
        let batch = batch(&events, catalog, &zone, file.schema().clone())?;
        file.write(&batch)?;
        let files = file.finish()?;
        writer.add_event_files(files);
    }
    writer.commit(catalog.clone(), serde_json::Value::Null).await?;
    Ok(())
}

fn batch(
    events: &[(u64, &str, &Event)],
    catalog: &Catalog,
    zone: &Zone,
    schema: arrow::datatypes::SchemaRef,
) -> Result<RecordBatch, StoreError> {
    let mut columns = ColumnsBuilder::new(catalog, Scope::Property);
    for (_, _, event) in events {
        let row = narrowed(&event.properties, catalog, Scope::Property, zone).unwrap_or_default();
        columns.append(|name| row.get(name))?;
    }
    let text = |f: &dyn Fn(&(u64, &str, &Event)) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values(events.iter().map(f))) };
    let times = || -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from_iter_values(events.iter().map(|(_, _, e)| e.ts)).with_timezone(LAKE_TIMEZONE))
    };
    let mut arrays: Vec<ArrayRef> = vec![
        text(&|(_, _, e)| e.name.clone()),
        Arc::new(events.iter().map(|(n, _, _)| i64::try_from(*n).ok()).collect::<Int64Array>()),
        text(&|(_, id, _)| (*id).to_owned()),
        times(),
        text(&|(_, _, e)| e.message_id.clone()),
        times(),
        Arc::new(Int32Array::new_null(events.len())),
        Arc::new(Int64Array::new_null(events.len())),
        Arc::new(StringArray::new_null(events.len())),
    ];
    arrays.extend(columns.finish());
    RecordBatch::try_new(schema, arrays).map_err(|e| StoreError::Invalid(e.to_string()))
}

/// A row's values as the catalog's types, where they fit: a whole number as an integer, a midnight as a date.
fn narrowed(row: &BTreeMap<String, Value>, catalog: &Catalog, scope: Scope, zone: &Zone) -> Option<BTreeMap<String, Value>> {
    let fields = catalog.fields(scope);
    members(row, &|name| fields.get(name).map(|field| &field.ty), zone)
}

/// The members of an object, each of which has to fit the type of its name.
fn members<'t>(row: &BTreeMap<String, Value>, ty: &dyn Fn(&str) -> Option<&'t Type>, zone: &Zone) -> Option<BTreeMap<String, Value>> {
    row.iter().map(|(name, value)| Some((name.clone(), fitting(value, ty(name)?, zone)?))).collect()
}

fn fitting(value: &Value, ty: &Type, zone: &Zone) -> Option<Value> {
    Some(match (ty, value) {
        (Type::Integer, Value::Number(x)) if x.fract() == 0.0 && x.abs() < 1e15 => Value::Integer(*x as i64),
        (Type::Date, Value::Timestamp(t)) if zone.midnight(zone.local_day(*t)) == *t => Value::Date(zone.local_day(*t)),
        (Type::Integer, Value::Number(_)) | (Type::Date, Value::Timestamp(_)) => return None,
        (Type::Object(fields), Value::Object(row)) => Value::Object(members(row, &|name| fields.get(name), zone)?),
        (Type::Objects(fields), Value::Objects(rows)) => {
            Value::Objects(rows.iter().map(|row| members(row, &|name| fields.get(name), zone)).collect::<Option<_>>()?)
        }
        (Type::Map(ty), Value::Map(row)) => Value::Map(members(row, &|_| Some(ty), zone)?),
        (_, value) => value.clone(),
    })
}
