//! Why a command failed, and the exit code that says so. One place maps every error to a code.
//!
//! Codes: 1 the input is refused (a condition with diagnostics, a segment with dependents), 2 the command line or the configuration is wrong,
//! 3 something named is not there, 4 an import was stopped, 5 storage or a backend failed, 130 cancelled.

use std::fmt;
use std::path::PathBuf;

use ingest::Reject;
use query_backends::{BackendError, ErrorKind};
use segment_core::diagnostics::Diagnostic;
use serde::Serialize;
use store::{StoreError, chain};

use crate::config::Fault;

/// A failed command.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The condition has diagnostics.
    Condition { diagnostics: Vec<Diagnostic>, warnings: Vec<Diagnostic> },
    /// The same, where the command has printed it already.
    Reported,
    /// Refused for another reason.
    Refused(String),
    /// The command line asks for something that cannot be.
    Usage(String),
    /// The configuration is wrong.
    Config(Vec<Fault>),
    /// Something named is not there.
    NotFound(String),
    /// There already.
    Exists(String),
    /// What saved segments refer to.
    Used { what: String, by: Vec<String> },
    /// It is archived, and stays as it is.
    Archived(String),
    /// It is not what it was taken for.
    Changed(String),
    /// An import was stopped by its unusable rows.
    Import(Box<Stopped>),
    /// Storage cannot do it now; it may later.
    Busy(String),
    /// Storage or a backend failed.
    Broken(String),
    /// Some of what is configured failed its check, and the command has printed which.
    Unreachable(usize),
    /// Stopped by the user.
    Cancelled,
    /// The reader of our output went away; nothing to say.
    OutputClosed,
}

/// The unusable rows that stopped an import.
#[derive(Debug, Serialize)]
pub(crate) struct Stopped {
    /// Everything, for people.
    #[serde(skip)]
    pub(crate) message: String,
    pub(crate) count: u64,
    pub(crate) allowed: u64,
    /// Whether reading stopped before the end of the input, so that there may be more.
    pub(crate) more: bool,
    /// Where all that were read are.
    pub(crate) file: Option<PathBuf>,
    pub(crate) first: Vec<Reject>,
}

impl Failure {
    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::Condition { .. }
            | Failure::Reported
            | Failure::Refused(_)
            | Failure::Exists(_)
            | Failure::Used { .. }
            | Failure::Archived(_)
            | Failure::Changed(_) => 1,
            Failure::Usage(_) | Failure::Config(_) => 2,
            Failure::NotFound(_) => 3,
            Failure::Import(_) => 4,
            Failure::Broken(_) | Failure::Busy(_) | Failure::Unreachable(_) => 5,
            Failure::Cancelled => 130,
            Failure::OutputClosed => 0,
        }
    }

    /// A word for machines.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Failure::Condition { .. } | Failure::Reported => "invalid_condition",
            Failure::Refused(_) | Failure::Exists(_) | Failure::Used { .. } | Failure::Archived(_) | Failure::Changed(_) => "refused",
            Failure::Usage(_) => "usage",
            Failure::Config(_) => "invalid_configuration",
            Failure::NotFound(_) => "not_found",
            Failure::Import(_) => "import_stopped",
            Failure::Broken(_) | Failure::Busy(_) => "failed",
            Failure::Unreachable(_) => "unreachable",
            Failure::Cancelled => "cancelled",
            Failure::OutputClosed => "output_closed",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Condition { diagnostics, .. } => {
                let n = diagnostics.len();
                write!(f, "the condition has {n} fault{}", if n == 1 { "" } else { "s" })?;
                for d in diagnostics {
                    let at = if d.pointer.is_empty() { "the root" } else { &d.pointer };
                    write!(f, "\n  {at}: {}", d.message)?;
                    if let Some(hint) = &d.hint {
                        write!(f, " ({hint})")?;
                    }
                }
                Ok(())
            }
            Failure::Refused(m)
            | Failure::Usage(m)
            | Failure::NotFound(m)
            | Failure::Exists(m)
            | Failure::Archived(m)
            | Failure::Changed(m)
            | Failure::Broken(m)
            | Failure::Busy(m) => f.write_str(m),
            Failure::Used { what, by } => write!(f, "{what} is used by segment {}", by.join(", ")),
            Failure::Config(faults) => {
                write!(f, "the configuration has {} fault{}", faults.len(), if faults.len() == 1 { "" } else { "s" })?;
                faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
            }
            Failure::Unreachable(n) => write!(f, "{n} of the checks failed"),
            Failure::Import(stopped) => f.write_str(&stopped.message),
            Failure::Cancelled => f.write_str("cancelled"),
            Failure::OutputClosed | Failure::Reported => Ok(()),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NotFound(_) => Failure::NotFound(chain(&error)),
            StoreError::Invalid(_) => Failure::Refused(chain(&error)),
            StoreError::Busy(_) | StoreError::Conflict(_) | StoreError::Unavailable { .. } => Failure::Busy(chain(&error)),
            StoreError::Corrupt { .. } | StoreError::Io { .. } => Failure::Broken(chain(&error)),
        }
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        match error.kind {
            ErrorKind::Cancelled => Failure::Cancelled,
            ErrorKind::Unsupported => Failure::Refused(chain(&error)),
            ErrorKind::Unavailable
            | ErrorKind::Timeout
            | ErrorKind::Overloaded
            | ErrorKind::Rejected
            | ErrorKind::SchemaDrift
            | ErrorKind::PermissionDenied
            | ErrorKind::Internal => Failure::Broken(chain(&error)),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe { Failure::OutputClosed } else { Failure::Broken(error.to_string()) }
    }
}
