//! Decompressing within bounds.

use std::io::{Read, Write};

use flate2::read::MultiGzDecoder;
use flate2::write;

/// Why a body cannot be decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Inflated {
    /// It is larger than is allowed.
    TooLarge,
    /// It is not gzip.
    Malformed(String),
}

/// All of a gzip text, if it has at most that many bytes.
pub(crate) fn inflate(compressed: &[u8], max: usize) -> Result<Vec<u8>, Inflated> {
    let mut out = Vec::new();
    let read = MultiGzDecoder::new(compressed).take(max as u64 + 1).read_to_end(&mut out);
    read.map_err(|e| Inflated::Malformed(e.to_string()))?;
    if out.len() > max { Err(Inflated::TooLarge) } else { Ok(out) }
}

/// A gzip text that comes in pieces.
pub(crate) struct Inflater(write::MultiGzDecoder<Vec<u8>>);

impl Inflater {
    pub(crate) fn new() -> Self {
        Self(write::MultiGzDecoder::new(Vec::new()))
    }

    /// Decompresses the next piece, onto the end of `out`. A thousand times its size may come of it.
    pub(crate) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Inflated> {
        self.0.write_all(piece).map_err(|e| Inflated::Malformed(e.to_string()))?;
        out.append(self.0.get_mut());
        Ok(())
    }

    /// The end of the text.
    pub(crate) fn finish(mut self, out: &mut Vec<u8>) -> Result<(), Inflated> {
        self.0.try_finish().map_err(|e| Inflated::Malformed(e.to_string()))?;
        out.append(self.0.get_mut());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn within_bounds() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert_eq!(inflate(&bomb, 500 << 10), Err(Inflated::TooLarge));
        assert_eq!(inflate(&gzip(&[7; 100]), 100), Ok(vec![7; 100]));
        assert_eq!(inflate(&gzip(&[7; 101]), 100), Err(Inflated::TooLarge));
        let two: Vec<u8> = [gzip(b"ab"), gzip(b"cd")].concat();
        assert_eq!(inflate(&two, 100).as_deref(), Ok(&b"abcd"[..]));
        let cut = gzip(&(0..=255).collect::<Vec<u8>>());
        for bytes in [&b"{}"[..], b"", &cut[..cut.len() - 9]] {
            assert!(matches!(inflate(bytes, 1_000), Err(Inflated::Malformed(_))), "{bytes:?}");
        }
    }

    #[test]
    fn in_pieces() {
        let text: Vec<u8> = (0..100_000u32).flat_map(|n| n.to_string().into_bytes()).collect();
        let compressed = [gzip(&text), gzip(b"more")].concat();
        for size in [1, 7, 4_096] {
            let (mut inflater, mut out) = (Inflater::new(), Vec::new());
            for piece in compressed.chunks(size) {
                inflater.push(piece, &mut out).unwrap();
            }
            inflater.finish(&mut out).unwrap();
            assert_eq!(out, [&text[..], b"more"].concat());
        }
        let mut cut = Inflater::new();
        cut.push(&compressed[..compressed.len() / 2], &mut Vec::new()).unwrap();
        assert!(cut.finish(&mut Vec::new()).is_err());
    }
}
