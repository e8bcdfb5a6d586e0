//! The catalog as writing needs it: by the numbers that names have in this import.

use std::sync::Arc;

use segment_core::catalog::{Catalog, Scope};
use segment_core::time::Zone;
use segment_core::types::Type;

use crate::names::Names;

/// One half of the catalog by name number.
pub(crate) struct Shape {
    /// All names by number.
    pub(crate) names: Vec<Arc<str>>,
    /// By number: the place among the catalog's fields, in their order; none for what it does not know.
    pub(crate) places: Vec<Option<usize>>,
    /// The types of the catalog's fields, in their order.
    pub(crate) types: Vec<Type>,
    pub(crate) zone: Zone,
}

impl Shape {
    pub(crate) fn new(catalog: &Catalog, scope: Scope, names: &Names, zone: &Zone) -> Self {
        let names = names.all();
        let fields = catalog.fields(scope);
        let places = names.iter().map(|name| fields.keys().position(|field| field.as_str() == name.as_ref())).collect();
        Self { names, places, types: fields.values().map(|f| f.ty.clone()).collect(), zone: zone.clone() }
    }

    /// Where a name's values go.
    pub(crate) fn place(&self, name: u32) -> Option<usize> {
        self.places.get(name as usize).copied().flatten()
    }
}
