//! Numbers of users, remembered within bounds.

use std::collections::HashMap;

/// The most numbers remembered, in two generations.
const REMEMBERED_MAX: usize = 4 << 20;

/// Numbers seen lately. Two generations stand in for least-recently-used: when the younger is full, it replaces the
/// older, and what is used again moves back to the younger.
#[derive(Default)]
pub(crate) struct Numbers {
    young: HashMap<Box<str>, u64>,
    old: HashMap<Box<str>, u64>,
}

impl Numbers {
    /// The number of a user, if remembered.
    pub(crate) fn get(&mut self, user_id: &str) -> Option<u64> {
        if let Some(&number) = self.young.get(user_id) {
            return Some(number);
        }
        let (id, number) = self.old.remove_entry(user_id)?;
        self.insert(id, number);
        Some(number)
    }

    /// Remembers a number.
    pub(crate) fn insert(&mut self, user_id: Box<str>, number: u64) {
        if self.young.len() >= REMEMBERED_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(user_id, number);
    }

    /// Forgets a user.
    pub(crate) fn remove(&mut self, user_id: &str) {
        self.young.remove(user_id);
        self.old.remove(user_id);
    }
}
