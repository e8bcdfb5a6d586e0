//! Names as small numbers, the same for all threads of one import.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::error::{ImportError, Result};

/// Distinct names, bounded.
pub(crate) struct Names {
    what: &'static str,
    max: usize,
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    ids: HashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
}

impl Names {
    pub(crate) fn new(what: &'static str, max: usize) -> Self {
        Self { what, max, inner: RwLock::default() }
    }

    /// The number of a name, given at first sight.
    pub(crate) fn id(&self, name: &str) -> Result<u32> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(&id) = inner.ids.get(name) {
            return Ok(id);
        }
        drop(inner);
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(&id) = inner.ids.get(name) {
            return Ok(id);
        }
        if inner.names.len() >= self.max {
            return Err(ImportError::TooManyNames { what: self.what, max: self.max, name: name.to_owned() });
        }
        let id = inner.names.len() as u32;
        let name: Arc<str> = name.into();
        inner.names.push(name.clone());
        inner.ids.insert(name, id);
        Ok(id)
    }

    /// All names by number.
    pub(crate) fn all(&self) -> Vec<Arc<str>> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).names.clone()
    }
}

/// One thread's view of [`Names`], without locks for what it has seen.
pub(crate) struct NameCache<'n> {
    shared: &'n Names,
    known: HashMap<Box<str>, u32>,
}

impl<'n> NameCache<'n> {
    pub(crate) fn new(shared: &'n Names) -> Self {
        Self { shared, known: HashMap::new() }
    }

    pub(crate) fn id(&mut self, name: &str) -> Result<u32> {
        if let Some(&id) = self.known.get(name) {
            return Ok(id);
        }
        let id = self.shared.id(name)?;
        self.known.insert(name.into(), id);
        Ok(id)
    }
}
