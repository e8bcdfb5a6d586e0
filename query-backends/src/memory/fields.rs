//! The attributes and properties that a plan looks at: nothing else has to be read.

use std::collections::BTreeSet;

use segment_core::catalog::Scope;
use segment_core::plan::{FieldRef, Plan, Source};

/// Names by half of the catalog.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) attributes: BTreeSet<String>,
    pub(crate) properties: BTreeSet<String>,
}

impl Fields {
    /// What a plan looks at.
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut fields = Self::default();
        plan.fields(&mut |field| fields.field(field));
        fields
    }

    /// The names of one half.
    pub(super) fn names(&self, scope: Scope) -> &BTreeSet<String> {
        match scope {
            Scope::Attribute => &self.attributes,
            Scope::Property => &self.properties,
        }
    }

    fn field(&mut self, field: &FieldRef) {
        let names = match &field.source {
            Source::Builtin(_) | Source::Item => return,
            Source::Column(Scope::Attribute, _) | Source::MapKey(Scope::Attribute, ..) => &mut self.attributes,
            Source::Column(Scope::Property, _) | Source::MapKey(Scope::Property, ..) => &mut self.properties,
        };
        names.extend(field.path.first().cloned());
    }
}
