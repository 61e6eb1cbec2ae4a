//! Records of the log: the requests of one group commit, compressed together.

use hoptrail_proto::model::TenantId;
use xxhash_rust::xxh3::xxh3_64;
use zstd::bulk::Compressor;
use zstd::zstd_safe::compress_bound;

use crate::codec::Damaged;
use crate::codec::bytes::{Input, put_bytes};
use crate::codec::pack;

const VERSION: u8 = 1;
const LEVEL: i32 = 1;

/// Larger buffers are freed after a record.
const KEPT_BYTES: usize = 8 << 20;

/// Collects the requests of a group commit. Buffers and compressor are used again for the next record: fresh memory for each record cost a
/// tenth of the time of ingest, in page faults.
#[derive(Default)]
pub(crate) struct Record {
    raw: Vec<u8>,
    packed: Vec<u8>,
    out: Vec<u8>,
    compressor: Option<Compressor<'static>>,
}

impl Record {
    pub(crate) fn push(&mut self, received_unix_nano: u64, tenant: &TenantId, body: &[u8]) {
        self.raw.extend_from_slice(&received_unix_nano.to_le_bytes());
        put_bytes(&mut self.raw, tenant.as_str().as_bytes());
        put_bytes(&mut self.raw, body);
    }

    /// Version, checksum of the rest, raw length, compressed requests.
    pub(crate) fn encode(&mut self) -> Result<&[u8], std::io::Error> {
        let Self { raw, packed, out, compressor } = self;
        let compressor = match compressor {
            Some(compressor) => compressor,
            None => compressor.insert(Compressor::new(LEVEL)?),
        };
        packed.clear();
        packed.reserve(compress_bound(raw.len()));
        compressor.compress_to_buffer(raw, packed)?;
        let raw_len = u32::try_from(raw.len()).map_err(std::io::Error::other)?;
        out.clear();
        out.push(VERSION);
        out.extend_from_slice(&xxh3_64(packed).to_le_bytes());
        out.extend_from_slice(&raw_len.to_le_bytes());
        out.extend_from_slice(packed);
        Ok(out)
    }

    /// Forgets the requests.
    pub(crate) fn clear(&mut self) {
        for buffer in [&mut self.raw, &mut self.packed, &mut self.out] {
            buffer.clear();
            buffer.shrink_to(KEPT_BYTES);
        }
    }
}

/// Calls `visit` with the arrival time, tenant and body of each request of a record.
pub(crate) fn each_request(record: &[u8], mut visit: impl FnMut(u64, TenantId, &[u8])) -> Result<(), Damaged> {
    let mut input = Input(record);
    if input.byte()? != VERSION {
        return Err(Damaged("unknown version of a log record"));
    }
    let (checksum, raw_len) = (input.u64()?, input.u32()? as usize);
    if xxh3_64(input.0) != checksum {
        return Err(Damaged("log record with a wrong checksum"));
    }
    let raw = pack::decompress(input.0, raw_len)?;
    let mut requests = Input(&raw);
    while !requests.is_empty() {
        let received = requests.u64()?;
        let tenant = TenantId::new(requests.text()?).map_err(|_| Damaged("tenant of a log record"))?;
        visit(received, tenant, requests.bytes()?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_keeps_its_requests_and_notices_damage() {
        let mut record = Record::default();
        record.push(5, &TenantId::single(), b"first");
        record.push(6, &TenantId::new("b").unwrap(), b"");
        let bytes = record.encode().unwrap().to_vec();
        let mut seen = Vec::new();
        each_request(&bytes, |at, tenant, body| seen.push((at, tenant.to_string(), body.to_vec()))).unwrap();
        assert_eq!(seen, [(5, "single-tenant".into(), b"first".to_vec()), (6, "b".into(), Vec::new())]);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 4;
            assert!(each_request(&flipped, |_, _, _| ()).is_err(), "byte {at}");
        }
        assert!(each_request(&bytes[..7], |_, _, _| ()).is_err());
    }
}
