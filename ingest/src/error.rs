//! Why an import or a list was refused.

use std::path::PathBuf;

use segment_core::catalog::CatalogError;
use store::StoreError;

use crate::rejects::Reject;

/// The cause below an [`ImportError`].
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, ImportError>;

/// Why an import stopped. Nothing of it is visible then. `Display` says what was attempted; the cause is the `source`.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file is not there or cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file is in no format that can be read.
    #[error("{}: {message}", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// What was found.
        message: String,
    },
    /// A file as a whole is unusable: cut off, without the columns that are needed, with a row that never ends.
    #[error("{}: {message}", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
        /// The cause, if there is one below.
        source: Option<Source>,
    },
    /// More rows were unusable than allowed.
    #[error("{}", too_many(*count, *max, first, file.as_deref(), *stopped))]
    TooManyRejects {
        /// How many there were.
        count: u64,
        /// How many were allowed.
        max: u64,
        /// The first few.
        first: Vec<Reject>,
        /// Where all of them are.
        file: Option<PathBuf>,
        /// Whether reading stopped before the end of the input, so that there may be more.
        stopped: bool,
    },
    /// The recipe is not one, or its SQL is not what it must be.
    #[error("recipe {}: {message}", path.display())]
    Recipe {
        /// The recipe.
        path: PathBuf,
        /// What is wrong.
        message: String,
        /// The cause, if there is one below.
        source: Option<Source>,
    },
    /// The request contradicts itself or the workspace.
    #[error("{0}")]
    Invalid(String),
    /// A declaration or a learned type clashes with the catalog.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// More distinct names than an import takes.
    #[error(
        "more than {max} distinct {what}, the last one {name:?}: if these are keys of data rather than names, \
         put them in one object and declare it as a map"
    )]
    TooManyNames {
        /// `property names`, `attribute names` or `event names`.
        what: &'static str,
        /// How many are taken.
        max: usize,
        /// The one too many.
        name: String,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Temporary files or the reject file could not be written or read back.
    #[error("cannot {what}")]
    Scratch {
        /// What was attempted.
        what: String,
        /// The cause.
        source: Source,
    },
    /// Whoever asked for the import went away.
    #[error("the import was cancelled")]
    Cancelled,
}

impl ImportError {
    /// A failed operation on temporary files.
    pub(crate) fn scratch(what: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Scratch { what: what.into(), source: source.into() }
    }

    /// Something wrong with an input file as a whole.
    pub(crate) fn input(path: &std::path::Path, message: impl Into<String>) -> Self {
        Self::Input { path: path.to_owned(), message: message.into(), source: None }
    }

    /// The same, with its cause.
    pub(crate) fn input_from(path: &std::path::Path, message: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Input { path: path.to_owned(), message: message.into(), source: Some(source.into()) }
    }
}

fn too_many(count: u64, max: u64, first: &[Reject], file: Option<&std::path::Path>, stopped: bool) -> String {
    let rows = if count == 1 { "row is" } else { "rows are" };
    let more = if stopped { "at least " } else { "" };
    let mut out = format!("{more}{count} {rows} unusable and {max} allowed; nothing was imported");
    for reject in first {
        out.push_str(&format!("\n  {reject}"));
    }
    if count > first.len() as u64 {
        out.push_str("\n  …");
    }
    if let Some(file) = file {
        out.push_str(&format!("\nthe rows are in {}", file.display()));
    }
    out
}
