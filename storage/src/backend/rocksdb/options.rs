//! RocksDB's options for each column family.

use rocksdb::{BlockBasedOptions, Cache, ChecksumType, DBCompressionType, Options};

/// Small entries that are written seldom.
pub(super) fn small() -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(4 << 20);
    options.set_compression_type(DBCompressionType::Zstd);
    options
}

/// Records are compressed already. The memtable holds more than the head, so that sealed records die in it.
pub(super) fn log() -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(256 << 20);
    options.set_max_write_buffer_number(3);
    options.set_compression_type(DBCompressionType::None);
    options
}

/// Pages are compressed already and never change: no compaction, one block a page.
pub(super) fn segments(cache_bytes: usize) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_checksum_type(ChecksumType::XXH3);
    // Every entry gets a block of its own: reading a small page must not read the large one after it.
    table.set_block_size(1);
    table.set_format_version(5);
    if cache_bytes > 0 {
        table.set_block_cache(&Cache::new_lru_cache(cache_bytes));
    }
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_compression_type(DBCompressionType::None);
    options.set_disable_auto_compactions(true);
    options.set_write_buffer_size(1 << 20);
    options
}
