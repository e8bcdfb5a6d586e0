//! What is made of a lowered query besides running it as it is: over tables as of a snapshot, explained, into a table.
//!
//! The words are those of Trino's SQL. That an engine knows them is its backend's to see to.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::helpers::stmt_create_table::CreateTableBuilder;
use sqlparser::ast::{
    Cte, DescribeAlias, Expr, Ident, ObjectType, Query, SelectItem, SetExpr, Statement, TableAlias, TableFactor, TableVersion,
    UtilityOption, WildcardAdditionalOptions, With,
};

use super::{External, Lowered};
use crate::sql::{self, Item, Select, Table};

/// A table as it was at a snapshot, under a name of one part that lowering was told ([`super::Tables`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsOf {
    /// The name in the query.
    pub name: String,
    /// The table: the parts of its name.
    pub table: Vec<String>,
    /// The snapshot; `None`: no rows.
    pub snapshot_id: Option<i64>,
}

impl Lowered {
    /// The query as text on one line. For people, over several lines, it is `format!("{:#}", lowered.ast())`.
    pub fn sql(&self) -> String {
        let query = self.query.text();
        match self.with() {
            Some(with) => format!("{with} {query}"),
            None => query,
        }
    }

    /// The query as the SQL library's tree, which prints as the same text.
    pub fn ast(&self) -> Query {
        Query { with: self.with(), ..self.query.ast() }
    }

    /// The same over tables as they were: each is put before the query as
    /// `WITH "name" AS (SELECT * FROM table FOR VERSION AS OF snapshot)`.
    pub fn as_of(mut self, tables: &[AsOf]) -> Self {
        self.as_of = tables.to_vec();
        self
    }

    /// The same with the events of that name made of a table of somebody else's: `WITH "name" AS (SELECT … FROM table …)`.
    pub fn over(mut self, name: &str, events: &External) -> Self {
        self.external = Some((name.to_owned(), events.query().clone()));
        self
    }

    /// The same for `user_no` alone.
    pub fn numbers_only(mut self) -> Self {
        self.query.first.projection.truncate(1);
        self
    }

    fn with(&self) -> Option<With> {
        let external = self.external.iter().map(|(name, query)| named(name, query.ast()));
        let cte_tables: Vec<Cte> = self.as_of.iter().map(bound).chain(external).collect();
        (!cte_tables.is_empty()).then(|| With { with_token: AttachedToken::empty(), recursive: false, cte_tables })
    }

    /// The statement that says how the query would be run, `EXPLAIN (option argument, …) …`.
    pub fn explained(&self, options: &[(&str, &str)]) -> String {
        let option = |(name, arg): &(&str, &str)| UtilityOption { name: Ident::new(*name), arg: Some(Expr::Identifier(Ident::new(*arg))) };
        let statement = Statement::Explain {
            describe_alias: DescribeAlias::Explain,
            analyze: false,
            verbose: false,
            query_plan: false,
            estimate: false,
            statement: Box::new(Statement::Query(Box::new(self.ast()))),
            format: None,
            options: Some(options.iter().map(option).collect()),
        };
        statement.to_string()
    }

    /// The statement that makes a table of the query's result, `CREATE TABLE name AS …`.
    pub fn into_table(&self, name: &[String]) -> String {
        let query = Some(Box::new(self.ast()));
        Statement::CreateTable(CreateTableBuilder::new(sql::object_name(name)).query(query).build()).to_string()
    }
}

/// The statement that removes a table if it is there.
pub fn drop_table(name: &[String]) -> String {
    dropped(ObjectType::Table, name)
}

/// The statement that removes something if it is there.
pub(super) fn dropped(object_type: ObjectType, name: &[String]) -> String {
    let statement = Statement::Drop {
        object_type,
        if_exists: true,
        names: vec![sql::object_name(name)],
        cascade: false,
        restrict: false,
        purge: false,
        temporary: false,
        table: None,
    };
    statement.to_string()
}

/// The query for the ids of the queries that made an Iceberg table's snapshots, as Trino notes them: one column `query_id`, one row a snapshot.
pub fn makers(table: &[String]) -> String {
    let mut snapshots = table.to_vec();
    if let Some(name) = snapshots.last_mut() {
        name.push_str("$snapshots");
    }
    let maker = sql::call("element_at", [sql::column("summary"), sql::string("trino_query_id")]);
    let select = Select {
        projection: vec![Item::new(maker, "query_id")],
        from: Table::Named(snapshots, None),
        joins: Vec::new(),
        selection: None,
        group_by: Vec::new(),
        having: None,
    };
    sql::Query::from(select).ast().to_string()
}

fn bound(table: &AsOf) -> Cte {
    let none = table.snapshot_id.is_none().then(|| sql::boolean(false));
    let from = Table::Named(table.table.clone(), None);
    let select = Select { projection: Vec::new(), from, joins: Vec::new(), selection: none, group_by: Vec::new(), having: None };
    let mut query = sql::Query::from(select).ast();
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection.push(SelectItem::Wildcard(WildcardAdditionalOptions::default()));
        for from in &mut select.from {
            if let TableFactor::Table { version, .. } = &mut from.relation {
                *version = table.snapshot_id.map(at);
            }
        }
    }
    named(&table.name, query)
}

fn named(name: &str, query: Query) -> Cte {
    Cte {
        // A name before AS, which is not a table's alias.
        alias: TableAlias { explicit: false, name: sql::ident(name), columns: Vec::new() },
        query: Box::new(query),
        from: None,
        materialized: None,
        closing_paren_token: AttachedToken::empty(),
    }
}

/// `FOR VERSION AS OF n`. The AST's own version says `VERSION AS OF n`, another engine's words.
fn at(snapshot_id: i64) -> TableVersion {
    let words = ["FOR", "VERSION", "AS", "OF"].iter().rev();
    TableVersion::Function(
        words.fold(sql::integer(snapshot_id).ast(), |value, word| Expr::Prefixed { prefix: Ident::new(*word), value: Box::new(value) }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lowered() -> Lowered {
        let select = Select {
            projection: vec![Item::column("user_no"), Item::column("user_id")],
            from: Table::Named(vec!["profiles".to_owned()], Some("p".into())),
            joins: Vec::new(),
            selection: None,
            group_by: Vec::new(),
            having: None,
        };
        Lowered { query: select.into(), as_of: Vec::new(), external: None, reads: Vec::new(), lists: Vec::new() }
    }

    fn parts(parts: &[&str]) -> Vec<String> {
        parts.iter().map(|p| (*p).to_owned()).collect()
    }

    #[test]
    fn tables_as_of_a_snapshot() {
        let tables = [
            AsOf { name: "profiles".to_owned(), table: parts(&["lake", "a\"b", "profiles"]), snapshot_id: Some(-7) },
            AsOf { name: "events".to_owned(), table: parts(&["events"]), snapshot_id: None },
        ];
        let pinned = lowered().as_of(&tables);
        let expected = [
            r#"WITH "profiles" AS (SELECT * FROM "lake"."a""b"."profiles" FOR VERSION AS OF -7),"#,
            r#""events" AS (SELECT * FROM "events" WHERE false)"#,
            r#"SELECT "user_no", "user_id" FROM "profiles" AS "p""#,
        ]
        .join(" ");
        assert_eq!(pinned.sql(), expected);
        assert_eq!(pinned.ast().to_string(), expected);
        assert_eq!(lowered().as_of(&[]).sql(), lowered().sql());
    }

    #[test]
    fn other_statements() {
        let name = parts(&["lake", "ns", "t"]);
        let numbers = lowered().numbers_only();
        let query = r#"SELECT "user_no" FROM "profiles" AS "p""#;
        assert_eq!(numbers.sql(), query);
        assert_eq!(numbers.into_table(&name), [r#"CREATE TABLE "lake"."ns"."t" AS "#, query].concat());
        assert_eq!(numbers.explained(&[("TYPE", "IO"), ("FORMAT", "JSON")]), ["EXPLAIN (TYPE IO, FORMAT JSON) ", query].concat());
        assert_eq!(drop_table(&name), r#"DROP TABLE IF EXISTS "lake"."ns"."t""#);
        let expected = r#"SELECT element_at("summary", 'trino_query_id') AS "query_id" FROM "lake"."ns"."t$snapshots""#;
        assert_eq!(makers(&name), expected);
    }
}
