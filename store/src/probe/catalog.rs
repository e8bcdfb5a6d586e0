//! The database of the lake's Iceberg catalog.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Row};

use super::Fault;
use crate::config::LakeConfig;
use crate::error::chain;

/// Whether the table of tables is there, may be read and written, and might be made.
const RIGHTS: &str = "WITH t AS (SELECT to_regclass('iceberg_tables') AS t) \
                      SELECT t IS NOT NULL, \
                      coalesce(has_table_privilege(t, 'SELECT') AND has_table_privilege(t, 'INSERT') \
                      AND has_table_privilege(t, 'UPDATE') AND has_table_privilege(t, 'DELETE'), false), \
                      coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) FROM t";
/// The tables of a catalog.
const TABLES: &str = "SELECT count(*) FROM iceberg_tables WHERE catalog_name = $1";

/// Whether the database answers, has the catalog's tables or lets them be made, and lets them be written.
///
/// # Errors
///
/// What is wrong with it.
pub async fn catalog(lake: &LakeConfig) -> Result<String, Fault> {
    let options = PgConnectOptions::from_str(lake.catalog_url.reveal())
        .map_err(|_| Fault::new("postgres.url cannot be read", "write it as postgres://user:password@host:port/database"))?;
    let at = format!("{}:{}", options.get_host(), options.get_port());
    let database = options.get_database().unwrap_or_else(|| options.get_username()).to_owned();
    let user = options.get_username().to_owned();
    let mut connection = PgConnection::connect_with(&options).await.map_err(|e| connecting(&e, &at, &database, &user))?;
    let asked = async {
        let version: String = sqlx::query("SHOW server_version").fetch_one(&mut connection).await?.try_get(0)?;
        let row = sqlx::query(RIGHTS).fetch_one(&mut connection).await?;
        let (there, writable, makeable): (bool, bool, bool) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let mut tables = None;
        if writable {
            let count = sqlx::query(TABLES).bind(&lake.catalog_name);
            tables = Some(count.fetch_one(&mut connection).await?.try_get::<i64, _>(0)?);
        }
        Ok::<_, sqlx::Error>((version, there, makeable, tables))
    };
    let (version, there, makeable, tables) = asked.await.map_err(|e| {
        let what = format!("PostgreSQL at {at} answers, but not about the catalog: {}", chain(&e));
        Fault::new(what, "see whether postgres.url names a PostgreSQL database that Muster's user may use")
    })?;
    // What has been asked for has come; the connection's end is nobody's loss.
    let _ = connection.close().await;
    match (there, makeable, tables) {
        (_, _, Some(tables)) => Ok(format!("PostgreSQL {version} at {at}; catalog {} has {tables} tables", lake.catalog_name)),
        (true, _, None) => Err(Fault::new(
            format!("{user} may not read and write iceberg_tables in {database} at {at}"),
            format!("GRANT SELECT, INSERT, UPDATE, DELETE ON iceberg_tables, iceberg_namespace_properties TO {user}"),
        )),
        (false, true, None) => Ok(format!("PostgreSQL {version} at {at}; the catalog's tables are made with the first workspace")),
        (false, false, None) => Err(Fault::new(
            format!("{database} at {at} has no table iceberg_tables, and {user} may not make it"),
            "GRANT CREATE on the schema to the user of postgres.url, or make the Iceberg catalog's tables as an administrator",
        )),
    }
}

/// Why there is no connection.
fn connecting(error: &sqlx::Error, at: &str, database: &str, user: &str) -> Fault {
    let code = error.as_database_error().and_then(|e| e.code()).unwrap_or_default();
    let what = format!("cannot connect to {database} at {at} as {user}: {}", chain(error));
    let todo = match code.as_ref() {
        "28P01" | "28000" => "the user or password of postgres.url is wrong, or pg_hba.conf does not let it in",
        "3D000" => "make the database that postgres.url names, or name another",
        "53300" => "the server has no connection left: raise max_connections, or close some",
        _ if matches!(error, sqlx::Error::Tls(_)) => "see whether the server speaks TLS, and sslmode in postgres.url",
        _ => "see whether PostgreSQL runs there, and host and port in postgres.url",
    };
    Fault::new(what, todo)
}
