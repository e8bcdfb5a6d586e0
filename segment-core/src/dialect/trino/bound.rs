//! Events that somebody else writes, as Trino reads them: a table of its Hive connector over the files, and the query that makes the lake's
//! columns of its rows.
//!
//! In: a binding, and what the files' columns hold. Out: an [`External`]: the table, and the query, which takes a row for an event just where
//! `store::bound` does. The table has partition columns of our own instead of those in the folders' names: the bounds of the times of a
//! partition's events, in whole seconds, so that a window leaves partitions out and a row outside of its own is told by comparing numbers;
//! and the folder, so that no two are one. Deliberately absent: properties that are JSON text, which Trino cannot bring into the catalog's form.

mod columns;
mod times;

use crate::binding::{EventName, EventsTable, Held, HeldColumns, NULL_PARTITION, TimeForm};
use crate::catalog::{Catalog, Column, ColumnKind, Scope};
use crate::dialect::trino::{array_of, timestamp};
use crate::lower::{External, SPAN_FROM, SPAN_UNTIL};
use crate::plan::{FieldRef, Interval, Plan, Source};
use crate::sql::{self, BinaryOperator, DataType, Expr, Item, Lambda, Query, Select, Table};
use crate::time::{INSTANT_MAX, INSTANT_MIN, Zone};

use self::columns::Columns;

/// The partition column of the whole seconds since 1970 before which no event of the partition is.
pub const FROM: &str = "muster_from";
/// The same from which on none is.
pub const UNTIL: &str = "muster_until";
/// That of the folder below the location.
const FOLDER: &str = "muster_folder";
/// Before a partition's text, as an empty one would be taken for NULL.
const TEXT_MARK: &str = "=";
/// Columns of the inner queries.
const WRITTEN: &str = "written";
const SHOWN: &str = "shown";
const OFFSET: &str = "shown_offset";
/// Aliases of the inner queries.
const LAYERS: [&str; 3] = ["r", "s", "t"];

const SECOND: i64 = 1_000_000;

/// The partition column for the i-th of the binding's.
fn value_name(i: usize) -> String {
    format!("muster_value_{i}")
}

/// What a binding is in Trino: a table that has no name yet.
///
/// # Errors
///
/// Why Trino cannot read it for a plan: what speaks against a column that says which rows are events, or that the plan looks at.
pub fn external(plan: &Plan, catalog: &Catalog, binding: &EventsTable, held: &HeldColumns) -> Result<External, String> {
    let zone = |name: &str| Zone::parse(name).map_err(|e| format!("the zone {name:?} is none: {e}"));
    let columns = Columns::new(catalog, binding, held);
    let mut needed = vec![binding.user_id.clone(), binding.ts.column.clone()];
    needed.extend(binding.message_id.clone());
    if let EventName::Column(path) = &binding.event {
        needed.push(path.clone());
    }
    let asked = Asked::of(plan);
    if let Some(property) = asked.json {
        return Err(format!("Trino cannot read property \"{property}\" of events that somebody else writes: it is JSON text"));
    }
    let paths =
        asked.columns.iter().filter_map(|(name, below)| Some([binding.properties.get(name)?.as_slice(), below.as_slice()].concat()));
    if let Some(why) = needed.into_iter().chain(paths).find_map(|path| columns.refused(&path)) {
        return Err(why);
    }
    let values: Vec<String> = (0..binding.partitions.len()).map(value_name).collect();
    let bounds = [(FROM.to_owned(), DataType::BigInt), (UNTIL.to_owned(), DataType::BigInt), (FOLDER.to_owned(), DataType::Varchar)];
    let partitions: Vec<(String, DataType)> = bounds.into_iter().chain(values.into_iter().map(|name| (name, DataType::Varchar))).collect();
    let source = Bound {
        catalog,
        binding,
        columns: &columns,
        zone: zone(&catalog.timezone)?,
        time_zone: zone(binding.ts.zone.as_deref().unwrap_or(&catalog.timezone))?,
    };
    Ok(External::new(columns.definitions(), partitions, columns.fine(), source.query(&[])))
}

/// A partition as the table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionValues {
    /// The folder, as [`External::registered`] gives it.
    pub folder: String,
    /// What stands in all partition columns.
    pub all: Vec<String>,
}

impl PartitionValues {
    /// A partition: what it says of the times in it, its folder below the location, and its values in the folders' names. `None` if no row of it
    /// is an event.
    pub fn new(times: Option<Interval>, folder: &str, values: &[String]) -> Option<Self> {
        let times = times.unwrap_or(Interval { start: None, end: i64::MAX });
        let from = times.start.unwrap_or(INSTANT_MIN).max(INSTANT_MIN).div_euclid(SECOND);
        let until = times.end.min(INSTANT_MAX + 1);
        let until = until.div_euclid(SECOND) + i64::from(until.rem_euclid(SECOND) > 0);
        let marked = |text: &str| [TEXT_MARK, text].concat();
        let value = |value: &String| if value == NULL_PARTITION { value.clone() } else { marked(value) };
        let bounds = [from.to_string(), until.to_string(), marked(folder)];
        let all = bounds.into_iter().chain(values.iter().map(value)).collect();
        (!times.is_empty()).then(|| Self { folder: marked(folder), all })
    }
}

/// What a plan looks at of the properties.
#[derive(Default)]
struct Asked {
    /// Names, and the paths below them.
    columns: Vec<(String, Vec<String>)>,
    /// One that is JSON text.
    json: Option<String>,
}

impl Asked {
    fn of(plan: &Plan) -> Self {
        let mut asked = Self::default();
        plan.fields(&mut |field| asked.field(field));
        asked
    }

    fn field(&mut self, field: &FieldRef) {
        let (Source::Column(Scope::Property, column) | Source::MapKey(Scope::Property, column, _)) = &field.source else { return };
        if column.kind == ColumnKind::Json {
            self.json = Some(field.path.join("."));
        }
        self.columns.extend(field.path.first().map(|name| (name.clone(), column.path.clone())));
    }
}

/// A binding, to be read.
struct Bound<'a> {
    catalog: &'a Catalog,
    binding: &'a EventsTable,
    columns: &'a Columns,
    zone: Zone,
    time_zone: Zone,
}

impl Bound<'_> {
    /// A column of the files, or a value in the folders' names; `None` if it is in no file.
    fn source(&self, path: &[String]) -> Option<(Expr, Held)> {
        match self.binding.partition_of(path) {
            Some(i) => Some((sql::call("substr", [sql::column(value_name(i)), sql::integer(2)]), Held::Text)),
            None => self.columns.source(path),
        }
    }

    /// The query over the table.
    ///
    /// # Shape
    ///
    /// `event`, `user_id`, `ts`, `message_id`, the bounds of its partition's times, and a column for each of the catalog's for properties that
    /// is no JSON.
    fn query(&self, table: &[String]) -> Query {
        let mut conditions = Vec::new();
        let missing = || sql::cast(sql::null(), DataType::Varchar);
        let event = match &self.binding.event {
            EventName::Constant(name) => sql::string(name),
            EventName::Column(path) => {
                let name = self.source(path).map_or_else(missing, |(name, _)| name);
                conditions.push(sql::binary(name.clone(), BinaryOperator::NotEq, sql::string("")));
                name
            }
        };
        let user_id = match self.source(&self.binding.user_id) {
            Some((id, Held::Text)) => {
                conditions.push(sql::binary(id.clone(), BinaryOperator::NotEq, sql::string("")));
                conditions.push(sql::not(sql::call("regexp_like", [id.clone(), sql::string(r"\p{Cc}")])));
                id
            }
            Some((number, _)) => {
                conditions.push(sql::is_not_null(number.clone()));
                sql::cast(number, DataType::Varchar)
            }
            None => {
                conditions.push(sql::boolean(false));
                missing()
            }
        };
        let message_id = match self.binding.message_id.as_ref().and_then(|path| self.source(path)) {
            Some((id, held)) => {
                let text = if held == Held::Text { id } else { sql::cast(id, DataType::Varchar) };
                sql::call("coalesce", [text, sql::string("")])
            }
            None => sql::string(""),
        };
        let text = |name: &str| name.to_owned();
        let mut handed = vec![
            (text("event"), event),
            (text("user_id"), user_id),
            (text("message_id"), message_id),
            (text(SPAN_FROM), sql::column(FROM)),
            (text(SPAN_UNTIL), sql::column(UNTIL)),
        ];
        for (name, field) in &self.catalog.properties {
            let path = self.binding.properties.get(name);
            let columns = field.columns.iter().filter(|c| c.kind != ColumnKind::Json);
            handed.extend(columns.flat_map(|c| self.property(path.map(Vec::as_slice), c)));
        }
        self.timed(table, conditions, handed)
    }

    /// The columns with `ts`, of the rows that meet the conditions and whose time lies in their partition's.
    fn timed(&self, table: &[String], mut conditions: Vec<Expr>, mut handed: Vec<(String, Expr)>) -> Query {
        let names: Vec<String> = handed.iter().map(|(name, _)| name.clone()).collect();
        let files = Table::Named(table.to_vec(), None);
        let mut layers = LAYERS.into_iter();
        // A query over another: what that hands on, and more.
        let mut over = |query: Select, more: Vec<(&str, Expr)>, conditions: Vec<Expr>| {
            let through = names.iter().map(|name| (name.clone(), sql::column(name.clone())));
            let columns = through.chain(more.into_iter().map(|(name, expr)| (name.to_owned(), expr))).collect();
            select(columns, Table::Derived(query.into(), layers.next().unwrap_or_default().into()), conditions)
        };
        let Some((written, held)) = self.source(&self.binding.ts.column) else {
            conditions.push(sql::boolean(false));
            handed.push(("ts".to_owned(), sql::cast(sql::null(), timestamp())));
            return select(handed, files, conditions).into();
        };
        let written = match held {
            Held::Timestamp { nanos, .. } => times::cut_off(written, nanos),
            _ => written,
        };
        handed.push((WRITTEN.to_owned(), written));
        let rows = select(handed, files, conditions);
        let column = || sql::column(WRITTEN);
        if let Some(unit) = self.binding.ts.form.unit() {
            let bound = |name: &'static str| match SECOND / unit {
                1 => sql::column(name),
                units => sql::binary(sql::column(name), BinaryOperator::Multiply, sql::integer(units)),
            };
            return over(rows, vec![("ts", times::of_epoch(&column(), unit))], inside(column(), bound)).into();
        }
        let timed = match (self.binding.ts.form, held) {
            (TimeForm::String, _) => {
                let parts = over(rows, vec![(SHOWN, times::shown(&column())), (OFFSET, times::offset(&column()))], Vec::new());
                let ts = times::of_text(sql::column(SHOWN), sql::column(OFFSET), &self.time_zone);
                over(parts, vec![("ts", ts)], Vec::new())
            }
            (_, Held::Timestamp { instant: false, .. }) => over(rows, vec![("ts", times::of_local(column(), &self.time_zone))], Vec::new()),
            _ => over(rows, vec![("ts", times::of_utc(column()))], Vec::new()),
        };
        over(timed, vec![("ts", sql::column("ts"))], inside(times::seconds_of(sql::column("ts")), sql::column)).into()
    }

    /// A stored column of a property, then those from before it was widened, which no file fills.
    fn property(&self, path: Option<&[String]>, column: &Column) -> Vec<(String, Expr)> {
        let none = |column: &Column| (column.name.clone(), sql::cast(sql::null(), sql_type(column.kind)));
        let source = path.and_then(|path| {
            let path: Vec<String> = path.iter().chain(&column.path).cloned().collect();
            self.source(&path)
        });
        let own = match source {
            None => none(column),
            Some((value, held)) => (column.name.clone(), self.converted(value, held, column.kind)),
        };
        std::iter::once(own).chain(column.with_before().skip(1).map(none)).collect()
    }

    fn converted(&self, value: Expr, held: Held, kind: ColumnKind) -> Expr {
        match (kind, held) {
            (ColumnKind::Number, _) => {
                let double = sql::cast(value, DataType::Double);
                // Zero has no sign.
                let unsigned = sql::binary(double.clone(), BinaryOperator::Plus, sql::double(0.0));
                sql::case_when(sql::call("is_finite", [double]), unsigned, None)
            }
            (ColumnKind::Timestamp, Held::Timestamp { instant, nanos }) => {
                let cut = times::cut_off(value, nanos);
                if instant { times::possible(times::of_utc(cut)) } else { times::of_local(cut, &self.zone) }
            }
            (ColumnKind::Strings, _) => {
                let known = sql::lambda(Lambda::Arrow, "item", sql::is_not_null(sql::column("item")));
                sql::call("filter", [value, known])
            }
            (ColumnKind::Presence, _) => sql::case_when(sql::is_not_null(value), sql::boolean(true), None),
            _ => value,
        }
    }
}

/// What lies between the bounds of the partition's times.
fn inside(value: Expr, bound: impl Fn(&'static str) -> Expr) -> Vec<Expr> {
    let after = sql::binary(value.clone(), BinaryOperator::GtEq, bound(SPAN_FROM));
    vec![after, sql::binary(value, BinaryOperator::Lt, bound(SPAN_UNTIL))]
}

fn select(columns: Vec<(String, Expr)>, from: Table, conditions: Vec<Expr>) -> Select {
    let projection = columns.into_iter().map(|(name, expr)| Item::new(expr, &name)).collect();
    let selection = (!conditions.is_empty()).then(|| sql::and(conditions));
    Select { projection, from, joins: Vec::new(), selection, group_by: Vec::new(), having: None }
}

fn sql_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::String | ColumnKind::Json => DataType::Varchar,
        ColumnKind::Integer => DataType::BigInt,
        ColumnKind::Number => DataType::Double,
        ColumnKind::Boolean | ColumnKind::Presence => DataType::Boolean,
        ColumnKind::Timestamp => timestamp(),
        ColumnKind::Date => DataType::Date,
        ColumnKind::Strings => array_of(DataType::Varchar),
    }
}
