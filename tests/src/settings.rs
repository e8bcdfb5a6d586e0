//! Where the engines are, as `scripts/engines` puts it into the environment.

use query_backends::TrinoConfig;
use store::StoreConfig;

/// Trino, and a store with the lake that its catalog reads.
///
/// # Errors
///
/// The variable that is not set.
pub fn trino() -> Result<(TrinoConfig, StoreConfig), String> {
    Ok((TrinoConfig::of_engines()?, StoreConfig { lake: Some(store::engines::lake()?), ..StoreConfig::default() }))
}
