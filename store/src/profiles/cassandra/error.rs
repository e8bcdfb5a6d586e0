//! What Cassandra answered, by what a caller can do about it.

use scylla::errors::{DbError, ExecutionError, NewSessionError, PrepareError, RequestAttemptError};

use crate::error::{StoreError, chain};

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CassandraFault {
    /// No node answers, or too few replicas. Retryable.
    Unreachable,
    /// No answer in time. Retryable.
    Timeout,
    /// The nodes have too much to do. Retryable.
    Overloaded,
    /// The credentials or their rights do not suffice.
    Denied,
    /// A replica failed while it read, as with an index that is not built yet.
    ReadFailed,
    /// Its tables are not of the shape that they should have.
    Shape,
    /// It refuses the statement, or answers what it should not.
    Refused,
}

impl CassandraFault {
    /// Whether the same request may succeed later.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Unreachable | Self::Timeout | Self::Overloaded => true,
            Self::Denied | Self::ReadFailed | Self::Shape | Self::Refused => false,
        }
    }
}

/// A failure with its kind: the source of the [`StoreError::Unavailable`] that is reported.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CassandraError {
    /// Its kind.
    pub fault: CassandraFault,
    /// What the driver or Cassandra said.
    pub message: String,
}

impl CassandraError {
    pub(crate) fn new(fault: CassandraFault, message: impl Into<String>) -> Self {
        Self { fault, message: message.into() }
    }

    /// The kind of the failure below a store's error, if it came from Cassandra.
    pub fn fault_of(error: &StoreError) -> Option<CassandraFault> {
        match error {
            StoreError::Unavailable { source: Some(source), .. } => source.downcast_ref::<CassandraError>().map(|e| e.fault),
            _ => None,
        }
    }

    /// As the store's error, about what was attempted.
    pub(crate) fn during(self, what: &str) -> StoreError {
        StoreError::unavailable(format!("cannot {what} in Cassandra"), self)
    }
}

impl From<ExecutionError> for CassandraError {
    fn from(error: ExecutionError) -> Self {
        let fault = match &error {
            ExecutionError::RequestTimeout(_) => CassandraFault::Timeout,
            ExecutionError::ConnectionPoolError(_) | ExecutionError::EmptyPlan | ExecutionError::SchemaAgreementError(_) => {
                CassandraFault::Unreachable
            }
            ExecutionError::PrepareError(e) => prepare_fault(e),
            ExecutionError::LastAttemptError(e) => attempt_fault(e),
            _ => CassandraFault::Refused,
        };
        Self::new(fault, error.to_string())
    }
}

impl From<PrepareError> for CassandraError {
    fn from(error: PrepareError) -> Self {
        Self::new(prepare_fault(&error), error.to_string())
    }
}

impl From<NewSessionError> for CassandraError {
    fn from(error: NewSessionError) -> Self {
        let text = chain(&error);
        // The driver hands on what a node said only as text here.
        let denied = ["Authentication", "authentication", "credentials"].iter().any(|w| text.contains(w));
        Self::new(if denied { CassandraFault::Denied } else { CassandraFault::Unreachable }, text)
    }
}

fn prepare_fault(error: &PrepareError) -> CassandraFault {
    match error {
        PrepareError::ConnectionPoolError(_) => CassandraFault::Unreachable,
        PrepareError::AllAttemptsFailed { first_attempt } => attempt_fault(first_attempt),
        _ => CassandraFault::Refused,
    }
}

fn attempt_fault(error: &RequestAttemptError) -> CassandraFault {
    match error {
        RequestAttemptError::BrokenConnectionError(_) => CassandraFault::Unreachable,
        RequestAttemptError::UnableToAllocStreamId => CassandraFault::Overloaded,
        RequestAttemptError::DbError(error, _) => match error {
            DbError::Unavailable { .. } | DbError::IsBootstrapping => CassandraFault::Unreachable,
            DbError::ReadTimeout { .. } | DbError::WriteTimeout { .. } => CassandraFault::Timeout,
            DbError::Overloaded | DbError::RateLimitReached { .. } => CassandraFault::Overloaded,
            DbError::Unauthorized | DbError::AuthenticationError => CassandraFault::Denied,
            DbError::ReadFailure { .. } => CassandraFault::ReadFailed,
            DbError::Invalid | DbError::ConfigError => CassandraFault::Shape,
            // A replica that fails a write may be restarting; the writes here may all be repeated.
            DbError::WriteFailure { .. } => CassandraFault::Unreachable,
            _ => CassandraFault::Refused,
        },
        _ => CassandraFault::Refused,
    }
}
