//! The attributes and properties that a plan looks at: nothing else has to be read.

use std::collections::BTreeSet;

use segment_core::catalog::Scope;
use segment_core::plan::{FieldRef, Filter, Leaf, Node, Plan, Source};

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
        fields.node(&plan.root);
        fields
    }

    /// The names of one half.
    pub(super) fn names(&self, scope: Scope) -> &BTreeSet<String> {
        match scope {
            Scope::Attribute => &self.attributes,
            Scope::Property => &self.properties,
        }
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Const(_) | Node::Leaf(Leaf::List(_)) => {}
            Node::All(children) | Node::Any(children) => children.iter().for_each(|c| self.node(c)),
            Node::Not(child) => self.node(child),
            Node::Leaf(Leaf::Attribute(field, _)) => self.field(field),
            Node::Leaf(Leaf::Sample(sample)) => sample.by.iter().for_each(|f| self.field(f)),
            Node::Leaf(Leaf::Event(leaf)) => {
                self.filter(&leaf.filter);
                leaf.measure.field().into_iter().for_each(|f| self.field(f));
            }
        }
    }

    fn filter(&mut self, filter: &Filter) {
        match filter {
            Filter::Const(_) => {}
            Filter::All(children) | Filter::Any(children) => children.iter().for_each(|c| self.filter(c)),
            Filter::Not(child) => self.filter(child),
            Filter::Test(field, _) => self.field(field),
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
