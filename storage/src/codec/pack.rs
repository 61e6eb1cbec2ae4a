//! zstd. Each thread keeps its context: making one costs more than decompressing a block of 8 kB.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};

use super::Damaged;

const LEVEL: i32 = 3;
/// Most bytes of a record, block or metadata page before compression.
pub(crate) const MOST_BYTES: usize = 1 << 30;
/// A block of zstd takes at least 4 bytes and holds at most 128 kB.
const MOST_RATIO: usize = (128 << 10) / 4;
const TOO_MUCH: Damaged = Damaged("longer than its compressed bytes can be");

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The compressed bytes; `None` when they are not fewer.
pub(crate) fn compress(raw: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(compressor) => compressor,
            None => kept.insert(Compressor::new(LEVEL).ok()?),
        };
        compressor.compress(raw).ok().filter(|packed| packed.len() < raw.len())
    })
}

/// Most bytes that so many compressed bytes can become.
pub(crate) fn most(packed: usize) -> usize {
    packed.saturating_mul(MOST_RATIO).min(MOST_BYTES)
}

/// Decompresses to exactly `raw_len` bytes. Memory is taken only when so many are possible.
pub(crate) fn decompress(packed: &[u8], raw_len: usize) -> Result<Vec<u8>, Damaged> {
    const DAMAGED: Damaged = Damaged("bytes do not decompress");
    if raw_len > most(packed.len()) {
        return Err(TOO_MUCH);
    }
    let raw = DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(decompressor) => decompressor,
            None => kept.insert(Decompressor::new().map_err(|_| DAMAGED)?),
        };
        decompressor.decompress(packed, raw_len).map_err(|_| DAMAGED)
    })?;
    if raw.len() == raw_len { Ok(raw) } else { Err(DAMAGED) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_comes_back_and_wrong_lengths_are_noticed() {
        for raw in [vec![7; 1 << 20], (0..=255).cycle().take(5000).collect::<Vec<u8>>()] {
            let packed = compress(&raw).expect("compresses");
            assert_eq!(decompress(&packed, raw.len()), Ok(raw.clone()));
            for wrong in [0, raw.len() - 1, raw.len() + 1, usize::MAX] {
                assert!(decompress(&packed, wrong).is_err(), "{wrong}");
            }
        }
    }

    #[test]
    fn a_few_bytes_are_not_given_a_gigabyte() {
        let packed = compress(&[0; 1000]).expect("compresses");
        assert_eq!(decompress(&packed, 1 << 30), Err(TOO_MUCH));
    }
}
