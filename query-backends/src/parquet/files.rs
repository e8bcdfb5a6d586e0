//! Files of a lake table, and reading them.
//!
//! Local files are read on the spot by the query's own threads, which is cheaper than handing each read over to another one; others go
//! through the object store.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::parquet::arrow::arrow_reader::ArrowReaderOptions;
use ::parquet::arrow::async_reader::{AsyncFileReader, MetadataFetch, ParquetObjectReader};
use ::parquet::errors::{ParquetError, Result as ParquetResult};
use ::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use bytes::Bytes;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::ObjectStore;
use object_store::path::Path;

use super::footers::Footers;
use crate::progress::Progress;

/// A file of a table.
#[derive(Debug, Clone)]
pub struct LakeFile {
    /// Its place in the object store.
    pub location: Path,
    /// Its path, if it is local.
    pub local: Option<PathBuf>,
    /// Its size.
    pub size_bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// The least and greatest value of the table's first sort column, where known.
    pub bounds: Option<(i64, i64)>,
}

impl LakeFile {
    /// A local file.
    ///
    /// # Errors
    ///
    /// If its path cannot be a place in an object store.
    pub fn local(path: PathBuf, size_bytes: u64, rows: u64) -> Result<Self> {
        let location = Path::from_absolute_path(&path).map_err(|e| DataFusionError::ObjectStore(Box::new(e.into())))?;
        Ok(Self { location, local: Some(path), size_bytes, rows, bounds: None })
    }

    /// The same, with bounds of the first sort column.
    pub fn with_bounds(mut self, least: i64, greatest: i64) -> Self {
        self.bounds = Some((least, greatest));
        self
    }
}

/// What one query has read, over all its tables.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) progress: Arc<Progress>,
    pub(super) row_groups: AtomicU64,
}

/// What all readers of one query share.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) footers: Arc<Footers>,
    pub(super) counters: Arc<Counters>,
    /// Whether page indexes are read with the footers.
    pub(super) page_index: bool,
}

impl Reading {
    /// A file's footer.
    pub(super) async fn footer(&self, file: &LakeFile) -> ParquetResult<Arc<ParquetMetaData>> {
        if let Some(footer) = self.footers.get(&file.location) {
            return Ok(footer);
        }
        let policy = if self.page_index { PageIndexPolicy::Optional } else { PageIndexPolicy::Skip };
        let reader = ParquetMetaDataReader::new().with_page_index_policy(policy).with_prefetch_hint(Some(FOOTER_BYTES_GUESSED));
        let footer = Arc::new(reader.load_and_finish(Fetch(&mut Input::of(file, &self.store)), file.size_bytes).await?);
        self.footers.insert(file.location.clone(), footer.clone());
        Ok(footer)
    }
}

/// Bytes read from a file's end at first, in the hope that the footer is within.
const FOOTER_BYTES_GUESSED: usize = 64 << 10;

struct Fetch<'a>(&'a mut Input);

impl MetadataFetch for Fetch<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        async move { self.0.read(range).await }.boxed()
    }
}

/// Where the bytes come from.
enum Input {
    Local { path: PathBuf, open: Option<File> },
    Object(Box<ParquetObjectReader>),
}

impl Input {
    fn of(file: &LakeFile, store: &Arc<dyn ObjectStore>) -> Self {
        match &file.local {
            Some(path) => Self::Local { path: path.clone(), open: None },
            None => Self::Object(Box::new(ParquetObjectReader::new(store.clone(), file.location.clone()).with_file_size(file.size_bytes))),
        }
    }

    async fn read(&mut self, range: Range<u64>) -> ParquetResult<Bytes> {
        match self {
            Self::Object(reader) => reader.get_bytes(range).await,
            Self::Local { path, open } => {
                let file = match open {
                    Some(file) => file,
                    None => open.insert(File::open(path).map_err(|e| ParquetError::External(Box::new(e)))?),
                };
                read_at(file, range)
            }
        }
    }
}

fn read_at(file: &mut File, range: Range<u64>) -> ParquetResult<Bytes> {
    let bytes = range.end - range.start;
    let mut out = Vec::with_capacity(usize::try_from(bytes)?);
    file.seek(SeekFrom::Start(range.start))?;
    file.take(bytes).read_to_end(&mut out)?;
    if out.len() as u64 != bytes {
        return Err(ParquetError::EOF(format!("a file has {} of {bytes} bytes at {}", out.len(), range.start)));
    }
    Ok(out.into())
}

/// Makes readers of one table's files for DataFusion's Parquet source.
#[derive(Debug)]
pub(super) struct Readers {
    pub(super) reading: Arc<Reading>,
    pub(super) files: Arc<std::collections::HashMap<Path, LakeFile>>,
}

impl ParquetFileReaderFactory for Readers {
    fn create_reader(
        &self,
        _: usize,
        file: PartitionedFile,
        _: Option<usize>,
        _: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let Some(file) = self.files.get(&file.object_meta.location) else {
            return Err(DataFusionError::Internal(format!("{} is not of the table", file.object_meta.location)));
        };
        Ok(Box::new(Reader {
            input: Input::of(file, &self.reading.store),
            file: file.clone(),
            reading: self.reading.clone(),
            footer: None,
            last_group: None,
        }))
    }
}

struct Reader {
    file: LakeFile,
    input: Input,
    reading: Arc<Reading>,
    footer: Option<Arc<ParquetMetaData>>,
    last_group: Option<usize>,
}

impl Reader {
    /// Counts bytes, and rows when reading reaches another row group.
    fn count(&mut self, range: &Range<u64>) {
        let mut rows = 0;
        if let Some(footer) = &self.footer {
            let group = footer.row_groups().partition_point(|g| g.columns().first().is_some_and(|c| c.byte_range().0 <= range.start));
            if self.last_group != Some(group) {
                self.last_group = Some(group);
                rows = group.checked_sub(1).and_then(|g| footer.row_groups().get(g)).map_or(0, |g| g.num_rows().unsigned_abs());
                self.reading.counters.row_groups.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.reading.counters.progress.add_read(rows, range.end - range.start);
    }
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        async move {
            self.count(&range);
            self.input.read(range).await
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move {
            ranges.iter().for_each(|range| self.count(range));
            if let Input::Object(reader) = &mut self.input {
                return reader.get_byte_ranges(ranges).await;
            }
            let mut out = Vec::with_capacity(ranges.len());
            for range in ranges {
                out.push(self.input.read(range).await?);
            }
            Ok(out)
        }
        .boxed()
    }

    fn get_metadata<'a>(&'a mut self, _: Option<&'a ArrowReaderOptions>) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let footer = self.reading.footer(&self.file).await?;
            self.footer = Some(footer.clone());
            Ok(footer)
        }
        .boxed()
    }
}
