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
