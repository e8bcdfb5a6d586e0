//! Checks of Trino: that it answers and has the catalog, that it reads the lake that Muster writes, and that tables over others' events can be made in it.

use std::time::Duration;

use query_backends::{BackendError, ErrorKind, TrinoBackend, TrinoConfig};
use store::probe::{Fault, SampleTable};
use store::{LakeConfig, chain};

use super::check::{CHECK_MAX, Check, Found, check, silent};
use crate::config::Settings;

/// The part of a check's time that is kept for clearing up.
const CLEARING_MAX: Duration = Duration::from_secs(10);

/// The checks of Trino.
pub(super) fn checks(settings: &Settings) -> [Check; 3] {
    let trino = settings.trino.clone();
    let hive = trino.clone().filter(|trino| trino.hive_catalog.is_some()).zip(settings.store.lake.clone());
    let both = trino.clone().zip(settings.store.lake.clone());
    let off = match (&settings.trino, &settings.store.lake) {
        (Some(_), None) => "the lake is in the data directory, where Trino does not see it",
        _ => "trino.url is not set",
    };
    [
        check("trino", "trino.url is not set", trino.map(|trino| async move { server(&trino).await })),
        check("trino reads the lake", off, both.map(|(trino, lake)| async move { reads(&trino, &lake).await })),
        check(
            "trino reads others' events",
            "trino.hive_catalog is not set, or the lake is in the data directory",
            hive.map(|(trino, lake)| async move { reads_others(&trino, &lake).await }),
        ),
    ]
}

async fn server(config: &TrinoConfig) -> Found {
    let backend = TrinoBackend::new(config).map_err(|e| fault(config, &e))?;
    let version = backend.check().await.map_err(|e| fault(config, &e))?;
    Ok(format!("Trino {version} at {}, catalog {}", crate::config::without_password(&config.url), config.catalog))
}

/// Makes a table in the lake, and has Trino read it.
async fn reads(config: &TrinoConfig, lake: &LakeConfig) -> Found {
    let backend = TrinoBackend::new(config).map_err(|e| fault(config, &e))?;
    let sample = SampleTable::make(lake).await?;
    let read = tokio::time::timeout(CHECK_MAX.saturating_sub(CLEARING_MAX), backend.check_lake(sample.namespace())).await;
    let removed = sample.remove().await;
    match read {
        Err(_) => Err(silent()),
        Ok(Err(e)) if e.kind.is_retryable() => Err(fault(config, &e)),
        Ok(Err(e)) => Err(Fault::new(
            format!("Trino does not read a table that Muster made in {}: {}", lake.warehouse, chain(&e)),
            format!(
                "give Trino's catalog {} the same database (iceberg.jdbc-catalog.connection-url), the catalog-name {} and access to the bucket (s3.*), or see to trino.catalog",
                config.catalog, lake.catalog_name
            ),
        )),
        Ok(Ok(())) => removed.map(|()| format!("catalog {} reads what Muster writes to {}", config.catalog, lake.warehouse)),
    }
}

/// Makes a table in the Hive catalog over a folder of the lake's own, and has Trino look at its partition.
async fn reads_others(config: &TrinoConfig, lake: &LakeConfig) -> Found {
    let backend = TrinoBackend::new(config).map_err(|e| fault(config, &e))?;
    let sample = SampleTable::make(lake).await?;
    let folder = [lake.warehouse.trim_end_matches('/'), "/", sample.namespace()].concat();
    let read = tokio::time::timeout(CHECK_MAX.saturating_sub(CLEARING_MAX), backend.check_hive(sample.namespace(), &folder)).await;
    let removed = sample.remove().await;
    let hive = config.hive_catalog.as_deref().unwrap_or_default();
    match read {
        Err(_) => Err(silent()),
        Ok(Err(e)) if e.kind.is_retryable() => Err(fault(config, &e)),
        Ok(Err(e)) => Err(Fault::new(
            format!("Trino makes no table over {folder} in the catalog {hive}: {}", chain(&e)),
            format!("give the catalog {hive} the settings that docs/trino.md shows, or see to trino.hive_catalog"),
        )),
        Ok(Ok(())) => removed.map(|()| format!("catalog {hive} makes tables over files on S3")),
    }
}

fn fault(config: &TrinoConfig, error: &BackendError) -> Fault {
    let todo = match error.kind {
        ErrorKind::Unavailable | ErrorKind::Timeout => {
            format!("see whether Trino runs there: trino.url ({})", crate::config::without_password(&config.url))
        }
        ErrorKind::PermissionDenied => "see to trino.user, trino.password or trino.token, and what the user may do".to_owned(),
        ErrorKind::SchemaDrift => format!("make the catalog {} in Trino, or see to trino.catalog", config.catalog),
        ErrorKind::Overloaded => "Trino has too much to do: try again later".to_owned(),
        ErrorKind::Rejected | ErrorKind::Unsupported | ErrorKind::Cancelled | ErrorKind::Internal => {
            "see to the settings of [trino]".to_owned()
        }
    };
    Fault::new(chain(error), todo)
}
