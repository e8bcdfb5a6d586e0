//! A table over files that somebody else writes, in an engine that reads them itself, and the statements that make it.
//!
//! The words are those of Trino's Hive connector.

use sqlparser::ast::helpers::stmt_create_table::CreateTableBuilder;
use sqlparser::ast::{self, ColumnDef, CreateTableOptions, Ident, SqlOption, Statement};

use crate::sql::{self, DataType, Expr, Item, Query, Select, Table};

/// Such a table, and the query that makes the lake's columns of its rows.
#[derive(Debug, Clone)]
pub struct External {
    /// The parts of its name.
    pub table: Vec<String>,
    /// Its columns: their names and types.
    columns: Vec<(String, DataType)>,
    /// The same of its partition columns, which come after those. The third is the partition's folder.
    partitions: Vec<(String, DataType)>,
    /// Whether it has timestamps finer than microseconds.
    pub fine: bool,
    query: Query,
}

/// The position of the folder among the partition columns.
const FOLDER: usize = 2;

impl External {
    pub(crate) fn new(columns: Vec<(String, DataType)>, partitions: Vec<(String, DataType)>, fine: bool, query: Query) -> Self {
        Self { table: Vec::new(), columns, partitions, fine, query }
    }

    /// One without columns of anybody's, to see whether such tables can be made.
    pub fn sample() -> Self {
        let text = |name: &str| (name.to_owned(), DataType::Varchar);
        let partitions = vec![text("muster_from"), text("muster_until"), text("muster_folder")];
        let select = Select {
            projection: Vec::new(),
            from: Table::Named(Vec::new(), None),
            joins: Vec::new(),
            selection: None,
            group_by: Vec::new(),
            having: None,
        };
        Self::new(vec![text("sample")], partitions, false, select.into())
    }

    /// What it is, apart from its name and place; tables of which it is the same have the same columns.
    pub fn shape(&self) -> String {
        let column = |(name, data_type): &(String, DataType)| format!("{name:?} {data_type}");
        self.columns.iter().chain(&self.partitions).map(column).collect::<Vec<_>>().join(", ")
    }

    /// The same under another name.
    pub fn named(mut self, table: &[String]) -> Self {
        self.table = table.to_vec();
        innermost(&mut self.query.first, &|select| select.from = Table::Named(table.to_vec(), None));
        self
    }

    pub(crate) fn query(&self) -> &Query {
        &self.query
    }

    /// The statement that makes it over a folder, if it is not there.
    pub fn create(&self, location: &str) -> String {
        let column = |(name, data_type): &(String, DataType)| ColumnDef {
            name: sql::ident(name),
            data_type: data_type.clone().ast(),
            options: Vec::new(),
        };
        let columns = self.columns.iter().chain(&self.partitions).map(column).collect();
        let option = |key: &str, value: Expr| SqlOption::KeyValue { key: Ident::new(key), value: value.ast() };
        let options = vec![
            option("external_location", sql::string(location)),
            option("format", sql::string("PARQUET")),
            option("partitioned_by", self.partition_names()),
        ];
        let table = CreateTableBuilder::new(sql::object_name(&self.table)).if_not_exists(true).columns(columns);
        Statement::CreateTable(table.table_options(CreateTableOptions::With(options)).build()).to_string()
    }

    /// The statement that makes a partition known: its values ([`crate::dialect::trino::PartitionValues`]) and its folder.
    pub fn register(&self, values: &[String], location: &str) -> String {
        let [catalog, schema, table] = self.table.as_slice() else { return String::new() };
        let values = sql::array(values.iter().map(|value| sql::string(value)).collect());
        let args = [sql::string(schema), sql::string(table), self.partition_names(), values, sql::string(location)];
        let mut call = sql::Aggregate::new("register_partition", args).ast();
        call.name = sql::object_name(&[catalog.clone(), "system".to_owned(), "register_partition".to_owned()]);
        Statement::Call(call).to_string()
    }

    /// The query for the folders of the partitions that are known: one column of text.
    pub fn registered(&self) -> String {
        let mut table = self.table.clone();
        if let Some(name) = table.last_mut() {
            name.push_str("$partitions");
        }
        let folder = self.partitions.get(FOLDER).map(|(name, _)| Item { expr: sql::column(name.clone()), alias: None });
        let select = Select {
            projection: folder.into_iter().collect(),
            from: Table::Named(table, None),
            joins: Vec::new(),
            selection: None,
            group_by: Vec::new(),
            having: None,
        };
        Query::from(select).text()
    }

    /// The same rows without those of some partitions, by their marked folders.
    pub fn without(mut self, folders: &[String]) -> Self {
        if let Some((name, _)) = self.partitions.get(FOLDER).filter(|_| !folders.is_empty()) {
            let gone = sql::in_list(sql::column(name.clone()), folders.iter().map(|f| sql::string(f)).collect());
            innermost(&mut self.query.first, &|select| {
                let others = select.selection.take();
                select.selection = Some(sql::and(std::iter::once(sql::not(gone.clone())).chain(others).collect()));
            });
        }
        self
    }

    fn partition_names(&self) -> Expr {
        sql::array(self.partitions.iter().map(|(name, _)| sql::string(name)).collect())
    }
}

/// Changes the query over the table itself.
fn innermost(select: &mut Select, change: &dyn Fn(&mut Select)) {
    match &mut select.from {
        Table::Derived(query, _) => innermost(&mut query.first, change),
        Table::Named(..) => change(select),
    }
}

/// The statement that makes a schema, if it is not there.
pub fn create_schema(name: &[String]) -> String {
    let statement = Statement::CreateSchema {
        schema_name: ast::SchemaName::Simple(sql::object_name(name)),
        if_not_exists: true,
        with: None,
        options: None,
        default_collate_spec: None,
        clone: None,
    };
    statement.to_string()
}

/// The query for the names of a schema's tables, of a catalog: one column of text.
pub fn tables_of(schema: &[String; 2]) -> String {
    let [catalog, name] = schema;
    let table = [catalog, "information_schema", "tables"].map(str::to_owned).to_vec();
    let select = Select {
        projection: vec![Item::column("table_name")],
        from: Table::Named(table, None),
        joins: Vec::new(),
        selection: Some(sql::binary(sql::column("table_schema"), sql::BinaryOperator::Eq, sql::string(name))),
        group_by: Vec::new(),
        having: None,
    };
    Query::from(select).text()
}

/// The statement that removes a schema if it is there and empty.
pub fn drop_schema(name: &[String]) -> String {
    super::statement::dropped(ast::ObjectType::Schema, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements() {
        let parts = |parts: &[&str]| parts.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
        let row = DataType::Row(vec![("x\"y".to_owned(), DataType::Timestamp(6))]);
        let partitions = ["f", "u", "d"].map(|name| (name.to_owned(), DataType::Varchar)).to_vec();
        let sample = External::sample();
        let table = External { columns: vec![("A b".to_owned(), row)], partitions, ..sample }.named(&parts(&["hive", "w-1", "t"]));
        let made = [
            r#"CREATE TABLE IF NOT EXISTS "hive"."w-1"."t" ("A b" ROW("x""y" TIMESTAMP(6)), "f" VARCHAR, "u" VARCHAR, "d" VARCHAR) "#,
            r#"WITH (external_location = 's3://b/it''s/', format = 'PARQUET', partitioned_by = ARRAY['f', 'u', 'd'])"#,
        ]
        .concat();
        assert_eq!(table.create("s3://b/it's/"), made);
        let call = r#"CALL "hive"."system"."register_partition"('w-1', 't', ARRAY['f', 'u', 'd'], ARRAY['1', '2', '=o''clock'], 's3://b/o''clock')"#;
        assert_eq!(table.register(&parts(&["1", "2", "=o'clock"]), "s3://b/o'clock"), call);
        assert_eq!(table.registered(), r#"SELECT "d" FROM "hive"."w-1"."t$partitions""#);
        assert_eq!(create_schema(&parts(&["hive", "w-1"])), r#"CREATE SCHEMA IF NOT EXISTS "hive"."w-1""#);
        assert_eq!(drop_schema(&parts(&["hive", "w-1"])), r#"DROP SCHEMA IF EXISTS "hive"."w-1""#);
        let tables = r#"SELECT "table_name" FROM "hive"."information_schema"."tables" WHERE "table_schema" = 'w-1'"#;
        assert_eq!(tables_of(&["hive".to_owned(), "w-1".to_owned()]), tables);
        let without = table.without(&parts(&["=gone"])).query.text();
        assert!(without.ends_with(r#"FROM "hive"."w-1"."t" WHERE NOT ("d" IN ('=gone'))"#), "{without}");
    }
}
