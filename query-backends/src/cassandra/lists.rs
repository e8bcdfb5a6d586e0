//! The members of the lists that a tree names.

use segment_core::eval::Lists;
use segment_core::plan::{Leaf, Node, Plan};
use std::collections::BTreeSet;
use store::Pinned;
use tokio_util::sync::CancellationToken;

use crate::error::{BackendError, ErrorKind, Result};
use crate::memory::read::list;

/// The most members of all lists of a tree: they are held in memory, about 100 bytes each.
const MEMBERS_MAX: u64 = 20_000_000;

/// Reads them.
pub(super) async fn read(pinned: &Pinned, plan: &Plan, cancel: &CancellationToken) -> Result<Lists> {
    let mut keys = BTreeSet::new();
    named(&plan.root, &mut keys);
    let wanted: Vec<_> = keys.into_iter().filter_map(|key| pinned.lists.get(&key).map(|info| (key, info.clone()))).collect();
    if wanted.is_empty() {
        return Ok(Lists::new());
    }
    let members: u64 = wanted.iter().map(|(_, info)| info.rows).sum();
    if members > MEMBERS_MAX {
        let what = format!("the lists of the tree have {members} members, and {MEMBERS_MAX} can be held");
        return Err(BackendError::new(ErrorKind::Overloaded, what));
    }
    let cancel = cancel.clone();
    let reading = tokio::task::spawn_blocking(move || {
        wanted.into_iter().map(|(key, info)| list(&info, &cancel).map(|members| (key, members))).collect::<Result<Lists>>()
    });
    reading.await.map_err(|e| BackendError::internal("reading a list panicked").caused_by(e))?
}

fn named(node: &Node, keys: &mut BTreeSet<String>) {
    match node {
        Node::All(children) | Node::Any(children) => children.iter().for_each(|c| named(c, keys)),
        Node::Not(child) => named(child, keys),
        Node::Leaf(Leaf::List(key)) => {
            keys.insert(key.clone());
        }
        Node::Const(_) | Node::Leaf(Leaf::Attribute(..) | Leaf::Event(_) | Leaf::Sample(_)) => {}
    }
}
