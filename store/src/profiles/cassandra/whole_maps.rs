//! Maps that a Muster wrote as one value, before keys had columns: taken apart into keys once, when the column of keys is made.
//!
//! Each key gets the timestamp of the whole, and in its place comes `{}` with that same timestamp, which Cassandra prefers: of two values of one
//! instant it takes the greater bytes. So doing it twice, or breaking off, changes nothing. Nobody writes meanwhile: whoever adds columns has the
//! workspace's write lock.

use futures::FutureExt;
use scylla::response::PagingState;
use segment_core::catalog::{Catalog, Scope};
use segment_core::convert::{from_json_column, to_json};
use segment_core::types::Type;
use segment_core::value::Value;

use super::attributes::EMPTY_MAP;
use super::cells::{Cell, Cells};
use super::cql::Cql;
use super::keyspace::{Keyspace, malformed};
use super::limits::PAGE_ROWS;
use super::together::together;
use crate::error::Result;

/// Takes apart what the column of a map holds.
pub(super) async fn take_apart(keyspace: &Keyspace, catalog: &Catalog, column: &str, keys: &str) -> Result<()> {
    let what = "take maps apart";
    let field = catalog.fields(Scope::Attribute).values().find(|f| f.columns.iter().any(|c| c.name == column && c.path.is_empty()));
    let Some(ty) = field.map(|field| &field.ty) else { return Ok(()) };
    let select = Cql::new("SELECT user_id, user_no,").name(column).word(", WRITETIME(").name(column).word(") FROM");
    let mut select = keyspace.cassandra.prepare(select.table(keyspace.name(), "profiles").build(), what).await?;
    select.set_page_size(PAGE_ROWS);
    let update = Cql::new("UPDATE").table(keyspace.name(), "profiles").word("USING TIMESTAMP ? SET").name(column).word("= ?,").name(keys);
    let update = update.word("=").name(keys).word("+ ? WHERE user_id = ? AND user_no = ?");
    let update = keyspace.cassandra.prepare(update.build(), what).await?;
    let mut next = Some(PagingState::start());
    while let Some(from) = next {
        let (rows, more) = keyspace.cassandra.page(&select, &(), from, what).await?;
        let mut writes = Vec::new();
        for row in rows.rows::<(String, i64, Option<String>, Option<i64>)>().map_err(|e| malformed(what, e))? {
            let (user_id, user_no, text, at) = row.map_err(|e| malformed(what, e))?;
            let (Some(text), Some(at)) = (text, at) else { continue };
            let Some(entries) = entries(&text, ty) else { continue };
            let entries = Cell::text_map(entries.iter().map(|(key, value)| (key.as_str(), value.as_str())));
            let values = Cells(vec![Cell::bigint(at), Cell::text(EMPTY_MAP), entries, Cell::text(&user_id), Cell::bigint(user_no)]);
            let update = &update;
            writes.push(async move { keyspace.cassandra.execute(update, &values, what).await.map(|_| ()) }.boxed());
        }
        together(writes).await?;
        next = more;
    }
    Ok(())
}

/// The entries of a map's text as JSON; none if there is nothing to take apart.
fn entries(text: &str, ty: &Type) -> Option<Vec<(String, String)>> {
    match from_json_column(text, ty) {
        Some(Value::Map(map)) if !map.is_empty() => Some(map.into_iter().map(|(key, value)| (key, to_json(&value))).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use segment_core::catalog::Origin;

    use super::super::CassandraProfiles;
    use super::super::testing::{connected, fresh_name};
    use super::*;
    use crate::profiles::{AttributeWrite, ProfileStore, ProfileWrite};

    fn number(n: f64) -> Option<Value> {
        Some(Value::Number(n))
    }

    #[tokio::test]
    async fn maps_of_before_go_on_by_key() {
        let Some(cassandra) = connected().await else { return };
        let (folder, name) = (tempfile::tempdir().unwrap(), fresh_name("maps"));
        let mut store = CassandraProfiles::open(&cassandra, &name, "test", &Catalog::new("UTC"), folder.path()).await.unwrap();
        let mut catalog = Catalog::new("UTC");
        catalog.set_field(Scope::Attribute, "m", &Type::Map(Box::new(Type::Number)), Origin::Declared).unwrap();
        let column = catalog.columns(Scope::Attribute)[0].name.clone();
        let users = ["u0", "u1", "u2"].map(str::to_owned);
        let numbers = store.user_numbers(users.to_vec()).await.unwrap();
        // As a Muster did that knew no keys.
        let (connection, keyspace) = (cassandra.clone(), store.keyspace().clone());
        let before = async move {
            let what = "write as before";
            let alter = Cql::new("ALTER TABLE").table(keyspace.name(), "profiles").word("ADD").name(&column).word("text");
            connection.change_schema(alter.build(), what).await?;
            let write = Cql::new("UPDATE").table(keyspace.name(), "profiles").word("USING TIMESTAMP ? SET has_profile = true,");
            let write = write.name(&column).word("= ? WHERE user_id = ? AND user_no = ?").build();
            let write = connection.prepare(write, what).await?;
            for ((user, number), text) in users.iter().zip(numbers).zip([r#"{"a":1.0,"b":2.0}"#, r#"{"":5.5}"#, "{}"]) {
                let number = Cell::bigint(number.cast_signed());
                let values = Cells(vec![Cell::bigint(10 << 11), Cell::text(text), Cell::text(user), number]);
                connection.execute(&write, &values, what).await?;
            }
            Ok(())
        };
        cassandra.run(before).await.unwrap();
        for round in 0..2 {
            // The second time as after a crash before it was noted.
            if round == 1 {
                let (connection, keyspace) = (cassandra.clone(), store.keyspace().clone());
                let forget = async move {
                    let cql = Cql::new("DELETE FROM").table(keyspace.name(), "about").word("WHERE key = 'columns'").build();
                    let forget = connection.prepare(cql, "forget").await?;
                    connection.execute(&forget, &(), "forget").await.map(|_| ())
                };
                cassandra.run(forget).await.unwrap();
            }
            store.set_catalog(&catalog).await.unwrap();
            let write = |at, entries: &[(&str, Option<Value>)]| {
                let entries = entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
                ProfileWrite {
                    user_id: "u0".to_owned(),
                    attributes: vec![("m".to_owned(), AttributeWrite::Entries(entries))],
                    written_at: at,
                    first_seen_at: None,
                    of_events: false,
                }
            };
            let late = write(9, &[("a", number(9.0)), ("c", number(3.0))]);
            store.upsert(vec![late, write(11, &[("b", None)])]).await.unwrap();
            for (user, expected) in [("u0", &[("a", 1.0), ("c", 3.0)][..]), ("u1", &[("", 5.5)]), ("u2", &[])] {
                let expected: BTreeMap<String, Value> = expected.iter().map(|(k, n)| ((*k).to_owned(), Value::Number(*n))).collect();
                let found = store.get(user).await.unwrap().unwrap();
                assert_eq!(found.attributes["m"], Value::Map(expected), "round {round}");
            }
        }
        store.keyspace().drop_all().await.unwrap();
    }
}
