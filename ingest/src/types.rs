//! What an import teaches the catalog.

use std::collections::BTreeSet;
use std::sync::Arc;

use segment_core::catalog::{Catalog, Origin, Scope};

use crate::error::Result;
use crate::names::Names;
use crate::stats::Stats;
use crate::tally::Tally;

/// Gives types to names that have none and widens learned ones. A declared type stays. Names that cannot be (with an empty
/// step between dots, control characters, a built-in attribute's) are left out: their values are kept unconverted.
pub(crate) fn learn(catalog: &mut Catalog, scope: Scope, names: &Names, tally: &Tally) -> Result<()> {
    let mut all: Vec<(usize, Arc<str>)> = names.all().into_iter().enumerate().collect();
    // Column numbers follow the order of names, not of threads.
    all.sort_by(|a, b| a.1.cmp(&b.1));
    for (id, name) in all {
        let Some(votes) = tally.votes(id) else { continue };
        let ty = match catalog.fields(scope).get(name.as_ref()) {
            None => votes.decide(),
            Some(field) if field.origin == Origin::Learned => votes.widen(&field.ty),
            Some(_) => None,
        };
        if let Some(ty) = ty
            && can_be(scope, &name)
        {
            catalog.set_field(scope, &name, &ty, Origin::Learned)?;
        }
    }
    Ok(())
}

fn can_be(scope: Scope, name: &str) -> bool {
    let builtin = scope == Scope::Attribute && segment_core::catalog::Builtin::named(name).is_some();
    !builtin && !name.is_empty() && !name.contains('.') && !name.chars().any(char::is_control)
}

/// Marks names that had values.
pub(crate) fn mark_seen(catalog: &mut Catalog, scope: Scope, names: &[Arc<str>], stats: &Stats) {
    let fields = match scope {
        Scope::Attribute => &mut catalog.attributes,
        Scope::Property => &mut catalog.properties,
    };
    for (name, stats) in names.iter().zip(&stats.names) {
        if stats.values > 0
            && let Some(field) = fields.get_mut(name.as_ref())
        {
            field.seen = true;
        }
    }
}

/// Notes events and the properties that they carry.
pub(crate) fn note_events(catalog: &mut Catalog, events: &[Arc<str>], names: &[Arc<str>], stats: &Stats) {
    for (event, carried) in events.iter().zip(&stats.carried) {
        let Some(carried) = carried else { continue };
        let known: BTreeSet<&str> = names
            .iter()
            .zip(carried)
            .filter(|(name, carried)| **carried && catalog.properties.contains_key(name.as_ref()))
            .map(|(name, _)| name.as_ref())
            .collect();
        catalog.set_event(event, known, Origin::Learned);
        if let Some(info) = catalog.events.get_mut(event.as_ref()) {
            info.seen = true;
        }
    }
}
