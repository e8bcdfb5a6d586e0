//! The hash map of this crate: its keys are of plans, which are bounded, so a fast hash serves.

/// A map by a fast hash.
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;
