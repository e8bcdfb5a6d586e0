//! The whole way: condition → resolved → simplified → SQL.

use crate::catalog::Catalog;
use crate::condition::Condition;
use crate::diagnostics::Diagnostic;
use crate::dialect::Dialect;
use crate::lint;
use crate::lower::{self, Lowered, Strategy, Tables};
use crate::plan::Plan;
use crate::resolve::{self, Library};
use crate::simplify::simplify;

/// What checking a condition gave.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The plan as resolved, which says what the tree means; `None` if there is any diagnostic.
    pub plan: Option<Plan>,
    /// Every fault, those of form first.
    pub diagnostics: Vec<Diagnostic>,
    /// What is allowed but suspicious.
    pub warnings: Vec<Diagnostic>,
}

/// Reads and resolves a condition: every fault and every warning at once.
pub fn check(text: &str, catalog: &Catalog, library: &Library, as_of: i64) -> Checked {
    checked(text, catalog, library, as_of, None)
}

/// The same for a condition that is to be saved as the segment `key`: a reference that leads back to it is a fault besides.
pub fn check_to_save(key: &str, text: &str, catalog: &Catalog, library: &Library, as_of: i64) -> Checked {
    checked(text, catalog, library, as_of, Some(key))
}

fn checked(text: &str, catalog: &Catalog, library: &Library, as_of: i64, saved_as: Option<&str>) -> Checked {
    let parsed = Condition::parse(text);
    let resolved = resolve::resolve(&parsed.condition, catalog, library, as_of, saved_as);
    let mut diagnostics = parsed.diagnostics;
    diagnostics.extend(resolved.diagnostics);
    let mut warnings = resolved.warnings;
    if let Some(plan) = &resolved.plan {
        for warning in lint::warnings(plan, &parsed.condition, &resolved.meanings) {
            if !warnings.iter().any(|w| w.code == warning.code && w.pointer == warning.pointer) {
                warnings.push(warning);
            }
        }
    }
    let plan = resolved.plan.filter(|_| diagnostics.is_empty());
    Checked { plan, diagnostics, warnings }
}

/// Lowers a resolved plan for a dialect.
///
/// # Errors
///
/// See [`lower::lower`].
pub fn lowered(plan: &Plan, dialect: &dyn Dialect, tables: &Tables, strategy: Strategy) -> Result<Lowered, Vec<Diagnostic>> {
    lower::lower(&simplify(plan), dialect, tables, strategy)
}
