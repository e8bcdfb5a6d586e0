//! By what answers are compared.

use md5::{Digest, Md5};

/// The hash of all ids, sorted by their bytes, each ended by a line feed.
pub fn hash(mut ids: Vec<&str>) -> String {
    ids.sort_unstable();
    let mut md5 = Md5::new();
    for id in ids {
        md5.update(id);
        md5.update("\n");
    }
    hex::encode(md5.finalize())
}
