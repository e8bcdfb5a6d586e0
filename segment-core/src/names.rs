//! The nearest known names, for hints.

use crate::limits::HINT_NAMES_MAX;

/// Names this different are not offered: Jaro-Winkler similarity, 0 to 1.
const SIMILARITY_MIN: f64 = 0.75;

/// The names most like it, the nearest first.
pub(crate) fn near<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let lower = name.to_lowercase();
    let mut near: Vec<(f64, &str)> = known
        .into_iter()
        .map(|k| (strsim::jaro_winkler(&lower, &k.to_lowercase()), k))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.truncate(HINT_NAMES_MAX);
    near.into_iter().map(|(_, name)| name).collect()
}

/// "did you mean …", or `None` when nothing is near.
pub(crate) fn hint(near: &[&str]) -> Option<String> {
    let quoted: Vec<String> = near.iter().map(|k| format!("\"{k}\"")).collect();
    (!quoted.is_empty()).then(|| format!("did you mean {}?", quoted.join(" or ")))
}

/// The hint of the names nearest to one.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    hint(&near(name, known))
}
