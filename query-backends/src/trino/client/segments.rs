//! Rows that come as segments: fetched, taken apart, counted, and acknowledged.

use base64::Engine as _;
use reqwest::Url;

use super::http::{ANSWER_BYTES_MAX, Http, Repeat};
use super::rows::{self, Kind};
use super::wire::{Metadata, Segment};
use crate::error::{BackendError, ErrorKind, Result};
use arrow::array::ArrayRef;

/// How segments are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    Lz4,
    Zstd,
}

/// What we offer to read, best first.
pub(super) const ENCODINGS: &str = "json+zstd,json+lz4,json";

impl Encoding {
    pub(super) fn named(name: &str) -> Result<Self> {
        match name {
            "json" => Ok(Self::Plain),
            "json+lz4" => Ok(Self::Lz4),
            "json+zstd" => Ok(Self::Zstd),
            other => Err(BackendError::internal(format!("Trino spools results as {other}, which was not asked for"))),
        }
    }
}

/// A part of the result.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) columns: Vec<ArrayRef>,
    pub(super) rows: u64,
    /// Rows of the result before it; none where the protocol does not say.
    pub(super) offset: Option<u64>,
    /// To be told that the rows are consumed.
    pub(super) ack: Option<Url>,
}

/// Fetches a segment and reads its rows.
///
/// # Errors
///
/// Those of the request; `Internal` for a segment that is not what its metadata say.
pub(super) async fn read(http: Http, encoding: Encoding, segment: Segment, kinds: Vec<Kind>) -> Result<Part> {
    let (bytes, metadata, ack) = match segment {
        Segment::Inline { data, metadata } => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(&data);
            (bytes.map_err(|e| BackendError::internal("an inline segment is not in base 64").caused_by(e))?, metadata, None)
        }
        Segment::Spooled { uri, ack_uri, headers, metadata } => {
            let url = |text: &str| Url::parse(text).map_err(|e| BackendError::internal("the address of a segment is none").caused_by(e));
            let (uri, ack) = (url(&uri)?, ack_uri.as_deref().map(url).transpose()?);
            let request = || {
                let pairs = headers.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
                pairs.fold(http.segments.get(uri.clone()), |request, (name, value)| request.header(name, value))
            };
            (http.fetch("fetching a segment of Trino's result", request, Repeat::Stored).await?, metadata, ack)
        }
    };
    // Hundreds of thousands of rows: not for a thread that others wait on.
    let decoded = tokio::task::spawn_blocking(move || decode(&bytes, encoding, metadata, &kinds)).await;
    let (columns, rows) = decoded.map_err(|e| BackendError::internal("reading a segment panicked").caused_by(e))??;
    Ok(Part { columns, rows, offset: Some(metadata.row_offset), ack })
}

fn decode(bytes: &[u8], encoding: Encoding, metadata: Metadata, kinds: &[Kind]) -> Result<(Vec<ArrayRef>, u64)> {
    let unlike =
        |what: &str, found: u64, told: u64| BackendError::internal(format!("a segment has {found} {what}, and its metadata say {told}"));
    if bytes.len() as u64 != metadata.segment_size {
        return Err(unlike("bytes", bytes.len() as u64, metadata.segment_size));
    }
    let plain;
    // Small ones are not compressed, whatever the encoding.
    let text = match metadata.uncompressed_size {
        None => bytes,
        Some(size) => {
            plain = decompressed(bytes, encoding, size)?;
            if plain.len() as u64 != size {
                return Err(unlike("bytes decompressed", plain.len() as u64, size));
            }
            &plain
        }
    };
    let (columns, rows) = rows::decode(text, kinds)?;
    if rows != metadata.rows_count {
        return Err(unlike("rows", rows, metadata.rows_count));
    }
    Ok((columns, rows))
}

fn decompressed(bytes: &[u8], encoding: Encoding, size: u64) -> Result<Vec<u8>> {
    if size > ANSWER_BYTES_MAX {
        let what =
            format!("a segment of {size} bytes, of which {ANSWER_BYTES_MAX} are taken: set protocol.spooling.max-segment-size lower");
        return Err(BackendError::new(ErrorKind::Rejected, what));
    }
    let capacity = usize::try_from(size).unwrap_or_default();
    let failed = |e: crate::error::Source| BackendError::internal("a segment cannot be decompressed").caused_by(e);
    match encoding {
        Encoding::Plain => Ok(bytes.to_vec()),
        // A bare block, without the frame that would tell its size.
        Encoding::Lz4 => lz4_flex::block::decompress(bytes, capacity).map_err(|e| failed(e.into())),
        Encoding::Zstd => zstd::bulk::decompress(bytes, capacity).map_err(|e| failed(e.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"[[1],[2],[3]]";
    const KINDS: [Kind; 1] = [Kind::Integer];

    fn metadata(size: usize, uncompressed_size: Option<u64>) -> Metadata {
        Metadata { row_offset: 0, rows_count: 3, segment_size: size as u64, uncompressed_size }
    }

    #[test]
    fn decodes_each_encoding() {
        let lz4 = lz4_flex::block::compress(TEXT);
        let zstd = zstd::bulk::compress(TEXT, 1).unwrap();
        let size = Some(TEXT.len() as u64);
        for (bytes, encoding, size) in [
            (TEXT, Encoding::Plain, None),
            (lz4.as_slice(), Encoding::Lz4, size),
            (zstd.as_slice(), Encoding::Zstd, size),
            (TEXT, Encoding::Zstd, None),
        ] {
            let (columns, rows) = decode(bytes, encoding, metadata(bytes.len(), size), &KINDS).unwrap();
            assert_eq!((columns.len(), rows), (1, 3), "{encoding:?}");
        }
    }

    #[test]
    fn a_segment_is_what_it_is_said_to_be() {
        let lz4 = lz4_flex::block::compress(TEXT);
        let size = TEXT.len() as u64;
        let told = metadata(lz4.len(), Some(size));
        for (bytes, told) in [
            (&lz4[..lz4.len() - 1], told),
            (&lz4[..lz4.len() - 1], metadata(lz4.len() - 1, Some(size))),
            (&lz4, metadata(lz4.len(), Some(size + 1))),
            (&lz4, metadata(lz4.len(), Some(size - 1))),
            (&lz4, metadata(lz4.len(), None)),
            (&lz4, Metadata { rows_count: 2, ..told }),
            (&lz4, Metadata { rows_count: 4, ..told }),
            (&lz4, metadata(lz4.len(), Some(ANSWER_BYTES_MAX + 1))),
        ] {
            assert!(decode(bytes, Encoding::Lz4, told, &KINDS).is_err(), "{told:?}");
        }
        assert!(Encoding::named("arrow+zstd").is_err());
    }
}
