//! RocksDB's write batches, as they stand in its log: sequence (u64), count (u32), operations.

use crate::codec::Damaged;
use crate::codec::bytes::Input;

/// An operation that this store writes. Ids of column families are left out: they mean nothing without the MANIFEST.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Operation<'a> {
    Put(&'a [u8], &'a [u8]),
    Delete(&'a [u8]),
    DeleteRange(&'a [u8], &'a [u8]),
}

const VALUE: u8 = 1;
const DELETION: u8 = 0;
const RANGE_DELETION: u8 = 15;
/// The same for column families other than the default one. Their id stands before the key.
const OF_FAMILY: [(u8, u8); 3] = [(4, DELETION), (5, VALUE), (14, RANGE_DELETION)];

/// The operations of a batch, in order.
pub(crate) fn operations(batch: &[u8]) -> Result<Vec<Operation<'_>>, Damaged> {
    let mut input = Input(batch);
    input.u64()?;
    let count = input.u32()?;
    let mut operations = Vec::new();
    while !input.is_empty() {
        let tag = input.byte()?;
        let of_family = OF_FAMILY.iter().find(|(of_family, _)| *of_family == tag);
        if of_family.is_some() {
            input.varint()?;
        }
        operations.push(match of_family.map_or(tag, |(_, kind)| *kind) {
            VALUE => Operation::Put(input.bytes()?, input.bytes()?),
            DELETION => Operation::Delete(input.bytes()?),
            RANGE_DELETION => Operation::DeleteRange(input.bytes()?, input.bytes()?),
            _ => return Err(Damaged("unknown operation of a batch")),
        });
    }
    if operations.len() == count as usize { Ok(operations) } else { Err(Damaged("batch with a wrong count")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn operations_are_read_whatever_their_family() {
        let batch =
            [&[0; 8][..], &[3, 0, 0, 0], b"\x05\x02\x03key\x05value", b"\x00\x01k", b"\x0e\x01\x01a\x01b"].concat();
        let expected = [Operation::Put(b"key", b"value"), Operation::Delete(b"k"), Operation::DeleteRange(b"a", b"b")];
        assert_eq!(operations(&batch).unwrap(), expected);
        assert!((0..batch.len()).all(|end| operations(&batch[..end]).is_err()));
    }

    proptest! {
        #[test]
        fn damaged_batches_do_not_panic(batch in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = operations(&batch);
        }
    }
}
