//! Several sorted runs as one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;

use super::run::Entry;

/// All entries in ascending order, without those received at a time or before, and none twice.
pub(crate) fn merged<'a>(
    sources: Vec<Box<dyn Iterator<Item = io::Result<Entry>> + 'a>>,
    after: i64,
) -> impl Iterator<Item = io::Result<Entry>> + 'a {
    let mut merge = Merge { sources, heads: BinaryHeap::new(), failed: None };
    for source in 0..merge.sources.len() {
        merge.pull(source);
    }
    let mut last = None;
    merge.filter(move |entry| match entry {
        Ok(entry) => entry.1 > after && last.replace(*entry) != Some(*entry),
        Err(_) => true,
    })
}

struct Merge<'a> {
    sources: Vec<Box<dyn Iterator<Item = io::Result<Entry>> + 'a>>,
    heads: BinaryHeap<Reverse<(Entry, usize)>>,
    failed: Option<io::Error>,
}

impl Merge<'_> {
    fn pull(&mut self, source: usize) {
        match self.sources.get_mut(source).and_then(Iterator::next) {
            Some(Ok(entry)) => self.heads.push(Reverse((entry, source))),
            Some(Err(error)) => self.failed = Some(error),
            None => {}
        }
    }
}

impl Iterator for Merge<'_> {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.heads.clear();
            return Some(Err(error));
        }
        let Reverse((entry, source)) = self.heads.pop()?;
        self.pull(source);
        Some(Ok(entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascending_once_and_not_expired() {
        let source = |entries: &'static [Entry]| Box::new(entries.iter().map(|entry| Ok(*entry))) as Box<dyn Iterator<Item = _>>;
        let all = merged(vec![source(&[(1, 5), (3, 5), (9, 1)]), source(&[(2, 4), (3, 5), (3, 6)]), source(&[])], 4);
        assert_eq!(all.map(Result::unwrap).collect::<Vec<_>>(), [(1, 5), (3, 5), (3, 6)]);
    }
}
