//! Recipes: SQL over input files that makes events and users of them.
//!
//! A recipe is TOML (`docs/import.md`). Each of its inputs is a table `input`, and each of its queries gives rows that are read
//! like those of a Parquet file. Deliberately absent: joins between inputs, and anything but reading.

mod members;
mod run;
mod table;

use std::path::{Path, PathBuf};

use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::sqlparser::ast::Statement as Sql;
use segment_core::json::Json;
use serde::Deserialize;

use crate::error::{ImportError, Result};
use crate::import::Declarations;
use crate::input::Input;
use crate::limits::QUERY_BYTES_MIN;
use crate::mapping::Half;
use crate::request::ImportRequest;
use crate::sources::{Kind, Source};

pub(crate) use run::Query;

/// A recipe, read and checked.
#[derive(Debug, Clone)]
pub struct Recipe {
    path: PathBuf,
    file: RecipeFile,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecipeFile {
    timezone: Option<String>,
    catalog: Option<toml::Value>,
    #[serde(default)]
    input: Vec<RecipeInput>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecipeInput {
    files: Option<Vec<PathBuf>>,
    events: Option<Queries>,
    users: Option<Queries>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Queries {
    One(String),
    Several(Vec<String>),
}

impl Queries {
    fn all(&self) -> &[String] {
        match self {
            Queries::One(sql) => std::slice::from_ref(sql),
            Queries::Several(all) => all,
        }
    }
}

impl Recipe {
    /// Reads a recipe.
    ///
    /// # Errors
    ///
    /// `Unreadable`, and `Recipe` with what is wrong in it.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|source| ImportError::Unreadable { path: path.to_owned(), source })?;
        let file = toml::from_str(&text).map_err(|e| refused(path, "this is not a recipe", Some(Box::new(e))))?;
        let recipe = Self { path: path.to_owned(), file };
        recipe.check()?;
        Ok(recipe)
    }

    /// The zone that it states.
    pub fn timezone(&self) -> Option<&str> {
        self.file.timezone.as_deref()
    }

    fn check(&self) -> Result<()> {
        let refuse = |message: &str| Err(refused(&self.path, message, None));
        if self.file.input.is_empty() {
            return refuse("it has no [[input]]");
        }
        if self.file.input.iter().filter(|input| input.files.is_none()).count() > 1 {
            return refuse("only one [[input]] can leave out its files, which are then those of the command line");
        }
        for input in &self.file.input {
            if input.files.as_ref().is_some_and(Vec::is_empty) {
                return refuse("an [[input]] has an empty list of files");
            }
            let queries: Vec<&String> = [&input.events, &input.users].into_iter().flatten().flat_map(Queries::all).collect();
            if queries.is_empty() {
                return refuse("an [[input]] has neither `events` nor `users`");
            }
            queries.into_iter().try_for_each(|sql| self.check_query(sql))?;
        }
        Ok(())
    }

    /// One statement that only reads.
    fn check_query(&self, sql: &str) -> Result<()> {
        let statements = DFParser::parse_sql(sql).map_err(|e| refused(&self.path, "its SQL cannot be read", Some(Box::new(e))))?;
        match statements.iter().collect::<Vec<_>>().as_slice() {
            [Statement::Statement(statement)] if matches!(statement.as_ref(), Sql::Query(_)) => Ok(()),
            _ => Err(refused(&self.path, "each of its queries is one SELECT", None)),
        }
    }

    /// What is to be read: all events, then all users.
    pub(crate) fn sources(&self, request: &ImportRequest) -> Result<(Vec<Source>, Declarations)> {
        let mut given: Vec<PathBuf> = Vec::new();
        for path in request.events.iter().chain(&request.users) {
            if !given.contains(path) {
                given.push(path.clone());
            }
        }
        let open = self.file.input.iter().any(|input| input.files.is_none());
        if open && given.is_empty() {
            return Err(refused(&self.path, "it leaves its files to the command line: name them with --events", None));
        }
        if !open && !given.is_empty() {
            return Err(refused(&self.path, "it names its own files: leave out --events and --users", None));
        }
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let (mut events, mut users) = (Vec::new(), Vec::new());
        for input in &self.file.input {
            let paths: Vec<PathBuf> = match &input.files {
                Some(files) => files.iter().map(|file| folder.join(file)).collect(),
                None => given.clone(),
            };
            let inputs = paths.iter().map(|path| Input::detect(path)).collect::<Result<Vec<_>>>()?;
            // Rows that reading rejects are told of by the first query.
            let mut first = true;
            for (half, queries, out) in [(Half::Events, &input.events, &mut events), (Half::Users, &input.users, &mut users)] {
                for sql in queries.iter().flat_map(Queries::all) {
                    let query = Query {
                        recipe: self.path.clone(),
                        sql: sql.clone(),
                        inputs: inputs.clone(),
                        memory_bytes: (request.memory_bytes / 4).max(QUERY_BYTES_MIN),
                        first: std::mem::take(&mut first),
                    };
                    out.push(Source { half, kind: Kind::Query(query) });
                }
            }
        }
        events.append(&mut users);
        let catalog = self.file.catalog.as_ref().map(json);
        Ok((events, Declarations { timezone: self.file.timezone.clone(), catalog }))
    }
}

/// Something wrong with a recipe.
fn refused(path: &Path, message: &str, source: Option<crate::error::Source>) -> ImportError {
    ImportError::Recipe { path: path.to_owned(), message: message.to_owned(), source }
}

/// A catalog written in TOML.
fn json(value: &toml::Value) -> Json {
    match value {
        toml::Value::String(text) => Json::String(text.clone()),
        toml::Value::Integer(n) => Json::Number(n.to_string()),
        toml::Value::Float(x) => Json::Number(x.to_string()),
        toml::Value::Boolean(b) => Json::Bool(*b),
        toml::Value::Datetime(time) => Json::String(time.to_string()),
        toml::Value::Array(items) => Json::Array(items.iter().map(json).collect()),
        toml::Value::Table(members) => Json::Object(members.iter().map(|(name, value)| (name.clone(), json(value))).collect()),
    }
}
