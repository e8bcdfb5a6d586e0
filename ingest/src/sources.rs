//! What an import reads, in order: files, and what recipes make of files.

use std::path::{Path, PathBuf};

use crate::error::{ImportError, Result};
use crate::gather::Reading;
use crate::input::parquet::BatchTable;
use crate::input::{Chunk, Input, Reader};
use crate::mapping::{Half, Mapping};
use crate::names::Names;
use crate::rejects::Reject;
use crate::report::FileReport;
use crate::rows::plan::{self, Made, Plan};
use crate::rows::{Context, Parsed, json, table};

/// Rows that become events or users.
pub(crate) struct Source {
    pub(crate) half: Half,
    pub(crate) kind: Kind,
}

/// Where the rows come from.
pub(crate) enum Kind {
    File(Input),
    #[cfg(feature = "recipes")]
    Query(crate::recipe::Query),
}

/// A source that is being read.
pub(crate) struct Opened {
    pub(crate) reader: Box<dyn Reader>,
    /// None for NDJSON.
    pub(crate) plan: Option<Plan>,
    pub(crate) made: Made,
    /// What reading itself rejected, after its end, and the files it read.
    pub(crate) aftermath: Box<dyn FnOnce() -> Aftermath>,
}

/// What is known of a source only when it has been read.
#[derive(Default)]
pub(crate) struct Aftermath {
    pub(crate) rejects: Vec<Reject>,
    /// Instead of the source itself.
    pub(crate) files: Option<Vec<FileReport>>,
}

impl Source {
    /// Its name for people: the file, or the recipe.
    pub(crate) fn name(&self) -> String {
        self.path().display().to_string()
    }

    fn path(&self) -> &PathBuf {
        match &self.kind {
            Kind::File(input) => &input.path,
            #[cfg(feature = "recipes")]
            Kind::Query(query) => &query.recipe,
        }
    }

    /// Bytes that reading it takes.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.kind {
            Kind::File(input) => input.bytes,
            #[cfg(feature = "recipes")]
            Kind::Query(query) => query.inputs.iter().map(|input| input.bytes).sum(),
        }
    }

    /// Text that is the same when rows are read in the same way.
    pub(crate) fn how(&self, mapping: &Mapping) -> String {
        match &self.kind {
            Kind::File(_) => mapping.fingerprint(),
            #[cfg(feature = "recipes")]
            Kind::Query(query) => format!("{}\n{}", mapping.fingerprint(), query.sql),
        }
    }

    /// Starts reading.
    pub(crate) fn open(&self, mapping: &Mapping, names: &Names, reading: &Reading<'_>) -> Result<Opened> {
        match &self.kind {
            Kind::File(input) => {
                let opened = input.open(Some(reading.progress.clone()))?;
                // NDJSON has members, not columns; an empty CSV file has neither columns nor rows.
                let table = !matches!(input.format, crate::input::Format::Ndjson) && !opened.columns.is_empty();
                let read = plan::Read { columns: &opened.columns, schema: opened.schema.as_deref() };
                let plan = if table { Some(Plan::new(&read, mapping, names, &input.path, Made::File)?) } else { None };
                Ok(Opened { reader: opened.reader, plan, made: Made::File, aftermath: Box::new(Aftermath::default) })
            }
            #[cfg(feature = "recipes")]
            Kind::Query(query) => {
                let run = query.run(reading.zone, reading.scratch, reading.progress)?;
                let columns: Vec<String> = run.schema.fields().iter().map(|f| f.name().clone()).collect();
                let read = plan::Read { columns: &columns, schema: Some(&run.schema) };
                let plan = Plan::new(&read, mapping, names, &query.recipe, run.made)?;
                Ok(Opened { reader: run.reader, plan: Some(plan), made: run.made, aftermath: run.aftermath })
            }
        }
    }
}

/// Parses a chunk of any kind.
pub(crate) fn parse(context: &Context<'_>, plan: Option<&Plan>, chunk: Chunk) -> Result<Parsed> {
    let misread = || ImportError::Invalid(format!("{}: rows came without the columns they belong to", context.file));
    match chunk {
        Chunk::Lines { text, first_line } => json::parse(context, &text, first_line),
        Chunk::Csv(rows) => table::parse(context, plan.ok_or_else(misread)?, &rows),
        Chunk::Batch { batch, first_row } => {
            let path = Path::new(context.file);
            let plan = plan.ok_or_else(misread)?;
            let rows = BatchTable::new(&batch, first_row, context.zone, context.made, &plan.paths);
            let rows = rows.map_err(|e| ImportError::input_from(path, "a column has a type that cannot be read", e))?;
            table::parse(context, plan, &rows)
        }
    }
}

#[cfg(not(feature = "recipes"))]
pub(crate) fn no_recipes() -> ImportError {
    ImportError::Invalid("this build of Muster has no recipes: it was compiled without the feature `recipes`".to_owned())
}
