//! How many names there are: in one message, and in a workspace.
//!
//! Names that the catalog does not know yet are remembered until it does, so that senders who make names of data meet an error
//! instead of filling memory, columns and lists.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

use segment_core::catalog::{Catalog, Scope};

use crate::collect::draft::Draft;
use crate::collect::limits::NAMES_MAX;
use crate::collect::quarantine::{Reason, Unfit};
use crate::collect::segment::{pointer, shown};
use crate::limits::{EVENT_NAMES_MAX, NAMES_MAX as WORKSPACE_NAMES_MAX};

/// Names of one kind.
struct Known {
    what: &'static str,
    max: usize,
    catalog: HashSet<Box<str>>,
    fresh: Mutex<HashSet<Box<str>>>,
}

impl Known {
    fn new<'a>(what: &'static str, max: usize, names: impl Iterator<Item = &'a String>, before: Option<&Known>) -> Self {
        let catalog: HashSet<Box<str>> = names.map(|name| name.as_str().into()).collect();
        let mut fresh = before.map(|known| known.fresh.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap_or_default();
        fresh.retain(|name| !catalog.contains(name));
        Self { what, max, catalog, fresh: Mutex::new(fresh) }
    }

    /// The first of the names that there is no room for. Then none of them is remembered.
    fn first_beyond<'n>(&self, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
        let mut unknown = names.filter(|name| !self.catalog.contains(*name)).peekable();
        unknown.peek()?;
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        let new: BTreeSet<&str> = unknown.filter(|name| !fresh.contains(*name)).collect();
        let room = self.max.saturating_sub(self.catalog.len() + fresh.len());
        if let Some(beyond) = new.iter().copied().nth(room) {
            return Some(beyond);
        }
        fresh.extend(new.into_iter().map(Box::<str>::from));
        None
    }

    fn refuse(&self, name: &str, pointer: String) -> Unfit {
        let message = format!(
            "\"{}\" would be one of more than {} {}, which are data rather than names: put them into an object that is declared as a map",
            shown(name),
            self.max,
            self.what
        );
        Unfit::new(Reason::TooManyNames, pointer, message)
    }
}

/// A workspace's names.
pub(crate) struct Vocabulary {
    events: Known,
    properties: Known,
    attributes: Known,
}

impl Vocabulary {
    pub(crate) fn new(catalog: &Catalog, before: Option<&Vocabulary>) -> Self {
        let of = |scope| catalog.fields(scope).keys();
        Self {
            events: Known::new("event names", EVENT_NAMES_MAX, catalog.events.keys(), before.map(|v| &v.events)),
            properties: Known::new("property names", WORKSPACE_NAMES_MAX, of(Scope::Property), before.map(|v| &v.properties)),
            attributes: Known::new("attribute names", WORKSPACE_NAMES_MAX, of(Scope::Attribute), before.map(|v| &v.attributes)),
        }
    }

    /// Whether there is room for the names of a message; those that are new are remembered.
    pub(crate) fn check(&self, draft: &Draft) -> Result<(), Unfit> {
        if draft.members.len() > NAMES_MAX {
            let message = format!("the event has {} names; at most {NAMES_MAX} are allowed", draft.members.len());
            return Err(Unfit::new(Reason::TooManyNames, draft.place, message));
        }
        let names = match draft.scope() {
            Scope::Property => &self.properties,
            Scope::Attribute => &self.attributes,
        };
        if let Some(beyond) = names.first_beyond(draft.members.iter().map(|(name, _)| name.as_str())) {
            return Err(names.refuse(beyond, format!("{}{}", draft.place, pointer(&[beyond]))));
        }
        match draft.event.as_deref().and_then(|event| self.events.first_beyond(std::iter::once(event))) {
            Some(event) => Err(self.events.refuse(event, "/event".to_owned())),
            None => Ok(()),
        }
    }
}
