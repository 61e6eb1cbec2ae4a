//! zstd with a context kept for each thread: making one costs more than decompressing a block of 8 kB.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};

use super::Damaged;

const LEVEL: i32 = 3;

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The compressed bytes, when they are fewer.
pub(crate) fn compress(raw: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(compressor) => compressor,
            None => kept.insert(Compressor::new(LEVEL).ok()?),
        };
        compressor.compress(raw).ok().filter(|packed| packed.len() < raw.len())
    })
}

/// The bytes again; `raw_len` is the most there may be.
pub(crate) fn decompress(packed: &[u8], raw_len: usize) -> Result<Vec<u8>, Damaged> {
    const DAMAGED: Damaged = Damaged("bytes do not decompress");
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(decompressor) => decompressor,
            None => kept.insert(Decompressor::new().map_err(|_| DAMAGED)?),
        };
        decompressor.decompress(packed, raw_len).map_err(|_| DAMAGED)
    })
}
