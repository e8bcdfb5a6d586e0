//! The table `input`: the rows of files, one file after the other.
//!
//! # Shape
//!
//! The files' columns; of CSV as text, empty fields as nulls; of NDJSON the top-level members and those of `properties` and `attributes`,
//! as integers, numbers or booleans where all values are, else as text (lists and objects as JSON). Then `_position` (the row's
//! number in its file), `_row` (the message id that the row has when it states none) and `_file` (the file's name).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, Int64Array, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use segment_core::json::Json;
use segment_core::time::Zone;

use super::members::{Members, column, flat};
use crate::error::{ImportError, Result};
use crate::hash;
use crate::input::csv::CsvRows;
use crate::input::parquet::{BatchTable, ParquetReader};
use crate::input::{Chunk, Format, Input, Reader};
use crate::mapping::{FILE, POSITION, ROW};
use crate::rejects::Reject;
use crate::request::Progress;
use crate::rows::json;
use crate::rows::plan::Made;
use crate::rows::table::Table;

/// What was noticed while reading.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) rejects: Vec<Reject>,
    /// Files with their rows.
    pub(crate) files: Vec<(String, u64)>,
}

/// The rows of some files.
pub(crate) struct InputTable {
    schema: SchemaRef,
    inputs: Vec<Input>,
    zone: Zone,
    progress: Arc<dyn Progress>,
    log: Arc<Mutex<Log>>,
}

impl std::fmt::Debug for InputTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InputTable").field("inputs", &self.inputs).finish_non_exhaustive()
    }
}

impl InputTable {
    /// Looks at the files' columns; NDJSON is read through for that.
    pub(crate) fn new(inputs: &[Input], zone: &Zone, progress: &Arc<dyn Progress>, log: Arc<Mutex<Log>>) -> Result<Self> {
        let mut fields: Vec<Field> = Vec::new();
        if inputs.iter().any(|i| i.format == Format::Ndjson) && !inputs.iter().all(|i| i.format == Format::Ndjson) {
            return Err(ImportError::Invalid("the files of one [[input]] are all NDJSON or none is".to_owned()));
        }
        let mut members = Members::default();
        for input in inputs {
            match input.format {
                Format::Ndjson => members.read(input)?,
                Format::Csv { .. } => {
                    let columns = input.open(None)?.columns;
                    add(&mut fields, columns.into_iter().map(|name| Field::new(name, DataType::Utf8, true)));
                }
                Format::Parquet => {
                    let schema = ParquetReader::new(input, None)?.schema();
                    add(
                        &mut fields,
                        schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true).with_metadata(Default::default())),
                    );
                }
            }
        }
        fields.extend(members.fields());
        let own = [(POSITION, DataType::Int64), (ROW, DataType::Utf8), (FILE, DataType::Utf8)];
        if let Some((name, _)) = own.iter().find(|(name, _)| fields.iter().any(|f| f.name() == name)) {
            return Err(ImportError::Invalid(format!("a column of the input is called {name}, as is one that recipes add")));
        }
        fields.extend(own.map(|(name, ty)| Field::new(name, ty, false)));
        let schema = Arc::new(Schema::new(fields));
        Ok(Self { schema, inputs: inputs.to_vec(), zone: zone.clone(), progress: progress.clone(), log })
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

/// Adds columns that are not there yet.
fn add(fields: &mut Vec<Field>, more: impl Iterator<Item = Field>) {
    for field in more {
        if !fields.iter().any(|f| f.name() == field.name()) {
            fields.push(field);
        }
    }
}

impl PartitionStream for InputTable {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = Batches {
            schema: self.schema.clone(),
            inputs: self.inputs.clone().into_iter(),
            zone: self.zone.clone(),
            progress: self.progress.clone(),
            log: self.log.clone(),
            open: None,
        };
        let batches = batches.map(|batch| batch.map_err(|e| DataFusionError::External(Box::new(e))));
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), futures::stream::iter(batches)))
    }
}

struct Batches {
    schema: SchemaRef,
    inputs: std::vec::IntoIter<Input>,
    zone: Zone,
    progress: Arc<dyn Progress>,
    log: Arc<Mutex<Log>>,
    open: Option<(Box<dyn Reader>, Vec<String>, String)>,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batch().transpose()
    }
}

impl Batches {
    fn batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some((reader, columns, file)) = &mut self.open {
                if let Some(chunk) = reader.next()? {
                    let (columns, file) = (columns.clone(), file.clone());
                    return self.arrange(chunk, &columns, &file).map(Some);
                }
                self.open = None;
            }
            let Some(input) = self.inputs.next() else { return Ok(None) };
            let opened = input.open(Some(self.progress.clone()))?;
            let file = input.path.display().to_string();
            self.log.lock().unwrap_or_else(PoisonError::into_inner).files.push((file.clone(), 0));
            self.open = Some((opened.reader, opened.columns, file));
        }
    }

    /// A chunk in the table's columns.
    fn arrange(&self, chunk: Chunk, columns: &[String], file: &str) -> Result<RecordBatch> {
        let seed = hash::header_seed(columns.iter().map(String::as_str));
        let mut rows = Rows::default();
        let found: BTreeMap<String, ArrayRef> = match chunk {
            Chunk::Batch { batch, first_row } => {
                let table = BatchTable::new(&batch, first_row, &self.zone, Made::File, &[]);
                let table = table.map_err(|e| ImportError::input_from(file.as_ref(), "a column has a type that cannot be read", e))?;
                (0..table.rows()).for_each(|row| rows.add(table.position(row), table.content(row, seed)));
                columns.iter().cloned().zip(batch.columns().iter().cloned()).collect()
            }
            Chunk::Csv(csv) => {
                let usable = self.usable(&csv, file);
                usable.iter().for_each(|&row| rows.add(csv.position(row), csv.content(row, seed)));
                let cells = |i: usize| usable.iter().map(|&row| csv.cell(i, row).and_then(|c| c.text())).collect::<StringArray>();
                columns.iter().enumerate().map(|(i, name)| (name.clone(), Arc::new(cells(i)) as ArrayRef)).collect()
            }
            Chunk::Lines { text, first_line } => {
                let objects = self.objects(&text, first_line, file, &mut rows);
                let fields = self.schema.fields().iter().filter(|f| ![POSITION, ROW, FILE].contains(&f.name().as_str()));
                fields.map(|f| (f.name().clone(), column(f, &objects))).collect()
            }
        };
        self.count(rows.positions.len() as u64);
        let count = rows.positions.len();
        let arrays = self.schema.fields().iter().map(|field| match field.name().as_str() {
            POSITION => Ok(Arc::new(Int64Array::from_iter_values(rows.positions.iter().copied())) as ArrayRef),
            ROW => Ok(Arc::new(rows.ids.finish_cloned()) as ArrayRef),
            FILE => Ok(Arc::new(StringArray::from_iter_values(std::iter::repeat_n(name_of(file), count))) as ArrayRef),
            name => match found.get(name) {
                Some(array) => cast(array, field.data_type()),
                None => Ok(arrow::array::new_null_array(field.data_type(), count)),
            },
        });
        let arrays = arrays.collect::<std::result::Result<Vec<_>, _>>();
        let batch = arrays.and_then(|arrays| RecordBatch::try_new(self.schema.clone(), arrays));
        batch.map_err(|e| ImportError::input_from(file.as_ref(), "its columns do not fit those of the files before it", e))
    }

    /// The rows that have the header's width and are UTF-8; the others are rejected.
    fn usable(&self, csv: &CsvRows, file: &str) -> Vec<usize> {
        let mut rejects = Vec::new();
        let usable = (0..csv.rows()).filter(|&row| match csv.fault(row) {
            Some(fault) => {
                rejects.push(fault.at(file, csv.line(row), &csv.raw(row)));
                false
            }
            None => true,
        });
        let usable = usable.collect();
        self.reject(rejects);
        usable
    }

    /// The objects of lines; the others are rejected.
    fn objects(&self, text: &[u8], first_line: u64, file: &str, rows: &mut Rows) -> Vec<Vec<(String, Json)>> {
        let (mut objects, mut rejects) = (Vec::new(), Vec::new());
        for (line, number) in text.split(|&b| b == b'\n').zip(first_line..) {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            match json::usable(line) {
                Ok(members) => {
                    rows.add(number, json::content(line));
                    objects.push(flat(members));
                }
                Err(fault) => rejects.push(fault.at(file, number, &String::from_utf8_lossy(line))),
            }
        }
        self.reject(rejects);
        objects
    }

    fn reject(&self, rejects: Vec<Reject>) {
        self.count(rejects.len() as u64);
        self.log.lock().unwrap_or_else(PoisonError::into_inner).rejects.extend(rejects);
    }

    fn count(&self, rows: u64) {
        if let Some((_, count)) = self.log.lock().unwrap_or_else(PoisonError::into_inner).files.last_mut() {
            *count += rows;
        }
    }
}

fn name_of(file: &str) -> &str {
    file.rsplit(['/', '\\']).next().unwrap_or(file)
}

/// The columns about rows themselves.
#[derive(Default)]
struct Rows {
    positions: Vec<i64>,
    ids: StringBuilder,
    scratch: String,
}

impl Rows {
    fn add(&mut self, position: u64, content: u128) {
        self.positions.push(i64::try_from(position).unwrap_or(i64::MAX));
        hash::row_id(content, position, &mut self.scratch);
        self.ids.append_value(&self.scratch);
    }
}
