//! Values against the catalog's types: what does not convert is counted, and nothing else happens to it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use segment_core::catalog::{Catalog, Scope};
use segment_core::convert::{TextSource, convert};
use segment_core::json::Json;
use segment_core::time::Zone;
use segment_core::types::Type;

use crate::collect::draft::Draft;
use crate::stats::is_whole;

/// Values of one name that did not convert.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Misfits {
    /// Not at all: missing for comparisons.
    pub unconverted: u64,
    /// Lists and objects of which some parts did not.
    pub partial: u64,
}

/// Names with types, and the counts. Bounded by the names that have one.
pub(crate) struct Types {
    properties: BTreeMap<String, Type>,
    attributes: BTreeMap<String, Type>,
    counts: Mutex<BTreeMap<(bool, String), Misfits>>,
}

impl Types {
    pub(crate) fn new(catalog: &Catalog, before: Option<&Types>) -> Self {
        let types = |scope| catalog.fields(scope).iter().map(|(name, field)| (name.clone(), field.ty.clone())).collect();
        let counts = before.map(|types| types.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap_or_default();
        Self { properties: types(Scope::Property), attributes: types(Scope::Attribute), counts: Mutex::new(counts) }
    }

    pub(crate) fn count(&self, draft: &Draft, zone: &Zone) {
        let (types, is_property) = match draft.scope() {
            Scope::Property => (&self.properties, true),
            Scope::Attribute => (&self.attributes, false),
        };
        for (name, value) in draft.members.iter().filter(|(_, value)| !value.is_null()) {
            let Some(misfit) = types.get(name).and_then(|ty| misfit(value, ty, zone)) else { continue };
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            let count = counts.entry((is_property, name.clone())).or_default();
            count.unconverted += misfit.unconverted;
            count.partial += misfit.partial;
        }
    }

    pub(crate) fn misfits(&self) -> Vec<(Scope, String, Misfits)> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let scope = |is_property| if is_property { Scope::Property } else { Scope::Attribute };
        counts.iter().map(|((is_property, name), misfits)| (scope(*is_property), name.clone(), *misfits)).collect()
    }
}

fn misfit(value: &Json, ty: &Type, zone: &Zone) -> Option<Misfits> {
    match convert(value, ty, zone, TextSource::Json) {
        None => Some(Misfits { unconverted: 1, partial: 0 }),
        Some(converted) if !ty.is_scalar() && !is_whole(value, &converted) => Some(Misfits { unconverted: 0, partial: 1 }),
        Some(_) => None,
    }
}
