//! Golden cases: `fixtures/golden/<topic>.json`, each a small workspace and conditions over it with their members, and beside
//! it `<topic>.<dialect>.sql` with every condition's SQL.
//!
//! Members were worked out by hand from the contract, never by running anything; nothing here writes them. The SQL is written by
//! `MUSTER_BLESS=1 make test`, to be read in the diff.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use segment_core::catalog::{Catalog, Scope};
use segment_core::compile;
use segment_core::convert::{TextSource, canonical_user_id, convert, normalize_dotted};
use segment_core::declare;
use segment_core::dialect;
use segment_core::eval::{self, Event, User};
use segment_core::json::Json;
use segment_core::lower::Tables;
use segment_core::plan::Plan;
use segment_core::resolve::Library;
use segment_core::time::{Zone, parse_instant};
use segment_core::value::Value;

/// A small workspace and conditions over it.
#[derive(Debug)]
pub struct Topic {
    /// Its file's name without the ending.
    pub name: String,
    /// The declaration of its catalog.
    pub declaration: Json,
    /// The catalog as declared.
    pub catalog: Catalog,
    /// The instant of evaluation.
    pub as_of: i64,
    /// Native user rows.
    pub users: Vec<Json>,
    /// Native event rows.
    pub events: Vec<Json>,
    /// Members of the lists.
    pub lists: eval::Lists,
    /// Saved segments, and the lists' keys.
    pub library: Library,
    /// The conditions, in their order.
    pub cases: Vec<Case>,
}

/// A condition and its members.
#[derive(Debug)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Wire JSON.
    pub condition: Json,
    /// The ids, worked out by hand.
    pub members: BTreeSet<String>,
}

/// The folder of the golden cases.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/golden")
}

/// Every topic, by name.
pub fn topics() -> Vec<Topic> {
    let folder = folder();
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> =
        entries.filter_map(|e| e.ok().map(|e| e.path())).filter(|p| p.extension().is_some_and(|e| e == "json")).collect();
    paths.sort();
    paths.iter().map(|p| read(p)).collect()
}

fn read(path: &Path) -> Topic {
    let fail = |what: String| -> ! { panic!("{}: {what}", path.display()) };
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| fail(e.to_string()));
    let json = Json::parse(&text).unwrap_or_else(|e| fail(e.to_string()));
    let get = |key: &str| json.get(key).unwrap_or_else(|| fail(format!("\"{key}\" is missing")));
    let list = |key: &str| get(key).as_array().unwrap_or_else(|| fail(format!("\"{key}\" is no list"))).to_vec();
    let members = |key: &str| json.get(key).and_then(Json::as_object).unwrap_or_default().to_vec();
    let ids = |json: &Json| -> BTreeSet<String> {
        json.as_array().unwrap_or_default().iter().filter_map(|i| i.as_str().map(str::to_owned)).collect()
    };
    let declaration = get("catalog").clone();
    let zone = declare::declared_timezone(&declaration).ok().flatten().unwrap_or_else(|| fail("no zone".to_owned()));
    let catalog = declare::declare(&Catalog::new(zone), &declaration).unwrap_or_else(|e| fail(e.to_string()));
    let lists: eval::Lists = members("lists").iter().map(|(k, v)| (k.clone(), ids(v))).collect();
    let library = Library {
        segments: members("segments").into_iter().map(|(k, v)| (k, v.to_text())).collect(),
        lists: lists.keys().cloned().collect(),
    };
    let cases = members("cases").into_iter().map(|(name, case)| Case {
        condition: case.get("condition").cloned().unwrap_or_else(|| fail(format!("{name} has no condition"))),
        members: ids(case.get("members").unwrap_or_else(|| fail(format!("{name} has no members")))),
        name,
    });
    Topic {
        name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        as_of: get("as_of").as_str().and_then(|t| parse_instant(t, &Zone::utc())).unwrap_or_else(|| fail("no as_of".to_owned())),
        users: list("users"),
        events: list("events"),
        cases: cases.collect(),
        declaration,
        catalog,
        lists,
        library,
    }
}

impl Topic {
    /// The plan of a case, against a catalog of the topic.
    ///
    /// # Errors
    ///
    /// The diagnostics, written out.
    pub fn plan(&self, case: &Case, catalog: &Catalog) -> Result<Plan, String> {
        let checked = compile::check(&case.condition.to_text(), catalog, &self.library, self.as_of);
        checked.plan.ok_or_else(|| format!("refused: {:?}", checked.diagnostics))
    }

    /// Every condition's SQL in a dialect.
    pub fn sql(&self, dialect_name: &str) -> String {
        let table = |name: &str| vec!["muster".to_owned(), name.to_owned()];
        let tables = Tables {
            events: table("events"),
            profiles: table("profiles"),
            lists: self.lists.keys().map(|k| (k.clone(), table(&format!("list_{k}")))).collect(),
            ..Tables::default()
        };
        let mut out = String::new();
        for case in &self.cases {
            let plan = self.plan(case, &self.catalog).unwrap_or_else(|e| panic!("{}, {}: {e}", self.name, case.name));
            let dialect = dialect::named(dialect_name).unwrap_or_else(|| panic!("no dialect {dialect_name}"));
            let sql = match compile::lowered(&plan, dialect.as_ref(), &tables, dialect.strategy()) {
                Ok(lowered) => format!("{:#}", lowered.ast()),
                Err(faults) => faults.iter().map(|d| format!("-- unsupported: {}", d.message)).collect::<Vec<_>>().join("\n"),
            };
            let gap = if out.is_empty() { "" } else { "\n" };
            let _ = writeln!(out, "{gap}-- {}\n{sql}", case.name);
        }
        out
    }

    /// The rows as users, converted as the contract says.
    pub fn rows(&self) -> Vec<User> {
        let zone = Zone::parse(&self.catalog.timezone).unwrap_or_else(|e| panic!("{e}"));
        let instant = |row: &Json, key: &str| row.get(key).and_then(Json::as_str).and_then(|t| parse_instant(t, &zone));
        let id = |row: &Json| canonical_user_id(row.get("user_id").unwrap_or(&Json::Null)).unwrap_or_else(|e| panic!("{e}"));
        let mut out: BTreeMap<String, User> = BTreeMap::new();
        let mut accepted = BTreeSet::new();
        for row in &self.events {
            let message_id = row.get("message_id").and_then(Json::as_str).unwrap_or_default().to_owned();
            if !accepted.insert(message_id.clone()) {
                continue;
            }
            let event = Event {
                name: row.get("event").and_then(Json::as_str).unwrap_or_default().to_owned(),
                ts: instant(row, "ts").unwrap_or_else(|| panic!("{row} has no ts")),
                message_id,
                properties: self.values(Scope::Property, row.get("properties"), &zone),
            };
            let user = out.entry(id(row)).or_default();
            user.first_seen_at = Some(user.first_seen_at.map_or(event.ts, |t| t.min(event.ts)));
            user.last_seen_at = user.last_seen_at.max(Some(event.ts));
            user.events.push(event);
        }
        for row in &self.users {
            let user = out.entry(id(row)).or_default();
            user.first_seen_at = instant(row, "first_seen_at").map(|t| user.first_seen_at.map_or(t, |first| first.min(t)));
            user.attributes = self.values(Scope::Attribute, row.get("attributes"), &zone);
        }
        out.into_iter().map(|(user_id, user)| User { user_id, ..user }).collect()
    }

    fn values(&self, scope: Scope, json: Option<&Json>, zone: &Zone) -> BTreeMap<String, Value> {
        let Some(Json::Object(members)) = json.cloned().map(normalize_dotted) else {
            return BTreeMap::new();
        };
        let fields = self.catalog.fields(scope);
        let converted = |(name, json): (String, Json)| {
            let value = convert(&json, &fields.get(&name)?.ty, zone, TextSource::Json)?;
            Some((name, value))
        };
        members.into_iter().filter_map(converted).collect()
    }
}
