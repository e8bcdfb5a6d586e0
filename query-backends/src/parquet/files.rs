//! Files of a lake table, and reading them.
//!
//! Local files are read on the spot by the query's own threads, which is cheaper than handing each read over to another one; others go
//! through their object store, which joins ranges that are near each other, asks again after failures, and gives up in bounded time; small
//! ones are read ahead ([`super::ahead`]).
//! Invariant: a file that is shorter than planned is an error, never fewer rows.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::parquet::arrow::arrow_reader::ArrowReaderOptions;
use ::parquet::arrow::async_reader::{AsyncFileReader, MetadataFetch};
use ::parquet::errors::{ParquetError, Result as ParquetResult};
use ::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use bytes::Bytes;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use store::{DataFileInfo, Deleted, FilePlace, Objects, is_timeout};

use super::ahead::{self, Ahead, Coming};
use super::footers::Footers;
use crate::progress::Progress;

/// Where a file's bytes are.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Local(PathBuf),
    Object { store: Arc<dyn ObjectStore>, path: Path },
}

/// A file of a table.
#[derive(Debug, Clone)]
pub(super) struct LakeFile {
    /// What it is known by.
    pub location: Path,
    /// Where it is.
    pub source: Source,
    /// Its size.
    pub size_bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// The least and greatest value of the table's first sort column, where known.
    pub bounds: Option<(i64, i64)>,
    /// Rows of it that are left out.
    pub deleted: Deleted,
}

/// Begins what objects are known by, so that none is taken for a local file.
const OBJECTS: &str = "s3:";

impl LakeFile {
    /// A planned file of events.
    ///
    /// # Errors
    ///
    /// If its place can be none, or is not in this lake.
    pub fn planned(file: &DataFileInfo, objects: Option<&Arc<Objects>>) -> Result<Self> {
        let (size_bytes, rows, deleted) = (file.size_bytes, file.rows, file.deleted.clone());
        let uri = match (&file.place, objects) {
            (FilePlace::Local(path), _) => return Ok(Self { deleted, ..Self::local(path.clone(), size_bytes, rows)? }),
            (FilePlace::Object(uri), Some(objects)) => (uri, objects),
            (FilePlace::Object(uri), None) => return Err(DataFusionError::Internal(format!("{uri} is on S3, and this lake is local"))),
        };
        let (uri, objects) = uri;
        let (store, path) = objects.at(uri).map_err(|e| DataFusionError::External(Box::new(e)))?;
        let bucket = uri.split('/').nth(2).unwrap_or_default();
        let location = Path::parse(format!("{OBJECTS}/{bucket}/{path}")).map_err(|e| DataFusionError::ObjectStore(Box::new(e.into())))?;
        Ok(Self { location, source: Source::Object { store, path }, size_bytes, rows, bounds: None, deleted })
    }

    /// A local file.
    ///
    /// # Errors
    ///
    /// If its path cannot be a place in an object store.
    pub fn local(path: PathBuf, size_bytes: u64, rows: u64) -> Result<Self> {
        let location = Path::from_absolute_path(&path).map_err(|e| DataFusionError::ObjectStore(Box::new(e.into())))?;
        Ok(Self { location, source: Source::Local(path), size_bytes, rows, bounds: None, deleted: Deleted::default() })
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
        let footer = Arc::new(reader.load_and_finish(Fetch(&mut Input::of(file)), file.size_bytes).await?);
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
    Local {
        path: PathBuf,
        open: Option<File>,
    },
    Object {
        store: Arc<dyn ObjectStore>,
        path: Path,
        size_bytes: u64,
    },
    /// Read ahead; `None` once it failed.
    Coming(Option<Coming>),
    /// The whole file.
    Here(Bytes),
}

impl Input {
    fn of(file: &LakeFile) -> Self {
        match &file.source {
            Source::Local(path) => Self::Local { path: path.clone(), open: None },
            Source::Object { store, path } => Self::Object { store: store.clone(), path: path.clone(), size_bytes: file.size_bytes },
        }
    }

    async fn read(&mut self, range: Range<u64>) -> ParquetResult<Bytes> {
        if let Self::Coming(coming) = self {
            let coming = coming.take().ok_or_else(|| ParquetError::General("a file is read on after a failure".to_owned()))?;
            *self = Self::Here(ahead::arrived(coming).await?);
        }
        match self {
            Self::Coming(_) => Err(ParquetError::General("a file is neither under way nor here".to_owned())),
            Self::Here(bytes) => part(bytes, &range),
            Self::Object { store, path, size_bytes } => match store.get_range(path, range.clone()).await {
                Ok(bytes) => whole(bytes, &range, path),
                Err(e) => Err(failed(store, path, *size_bytes, e).await),
            },
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

/// A part of a file that is here.
fn part(bytes: &Bytes, range: &Range<u64>) -> ParquetResult<Bytes> {
    let (start, end) = (usize::try_from(range.start)?, usize::try_from(range.end)?);
    if start > end || end > bytes.len() {
        return Err(ParquetError::EOF(format!("a file has {} bytes, and {start} to {end} were asked for", bytes.len())));
    }
    Ok(bytes.slice(start..end))
}

/// Refuses less than what was asked for.
pub(super) fn whole(bytes: Bytes, range: &Range<u64>, path: &Path) -> ParquetResult<Bytes> {
    if bytes.len() as u64 == range.end - range.start {
        return Ok(bytes);
    }
    Err(ParquetError::EOF(format!("{path} has {} of {} bytes at {}", bytes.len(), range.end - range.start, range.start)))
}

/// Why a read failed: an object that is shorter than it was can be told from one that cannot be reached.
pub(super) async fn failed(store: &Arc<dyn ObjectStore>, path: &Path, size_bytes: u64, error: object_store::Error) -> ParquetError {
    if matches!(error, object_store::Error::Generic { .. }) && !is_timeout(&error) {
        match store.head(path).await {
            Ok(found) if found.size != size_bytes => return ParquetError::EOF(format!("{path} has {} of {size_bytes} bytes", found.size)),
            _ => {}
        }
    }
    ParquetError::External(Box::new(error))
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
    /// What each partition reads ahead.
    pub(super) ahead: Vec<Ahead>,
}

impl ParquetFileReaderFactory for Readers {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        _: Option<usize>,
        _: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let Some(file) = self.files.get(&file.object_meta.location) else {
            return Err(DataFusionError::Internal(format!("{} is not of the table", file.object_meta.location)));
        };
        let coming = self.ahead.get(partition).and_then(|ahead| ahead.take(&file.location));
        let input = coming.map_or_else(|| Input::of(file), |coming| Input::Coming(Some(coming)));
        Ok(Box::new(Reader { input, file: file.clone(), reading: self.reading.clone(), footer: None, last_group: None }))
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
    /// Counts bytes, unless they were counted when they were read ahead, and rows when reading reaches another row group.
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
        let counted = matches!(self.input, Input::Coming(_) | Input::Here(_));
        self.reading.counters.progress.add_read(rows, if counted { 0 } else { range.end - range.start });
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
            if let Input::Object { store, path, size_bytes } = &self.input {
                return match store.get_ranges(path, &ranges).await {
                    Ok(parts) => parts.into_iter().zip(&ranges).map(|(bytes, range)| whole(bytes, range, path)).collect(),
                    Err(e) => Err(failed(store, path, *size_bytes, e).await),
                };
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
