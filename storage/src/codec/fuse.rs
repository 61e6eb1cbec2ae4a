//! Filters: sets that always say yes to a member, and rarely (0.4 %) to what is none. They are binary fuse filters of 9 bits a member.

use xorf::{BinaryFuse8, BinaryFuse8Ref, DmaSerializable, Filter, FilterRef};
use xxhash_rust::xxh3::xxh3_64;

use super::Damaged;

const DESCRIPTOR: usize = BinaryFuse8::DESCRIPTOR_LEN;

/// Writes the set of these hashes (see [`hash`]). An empty set is no bytes.
pub(crate) fn encode(mut hashes: Vec<u64>) -> Vec<u8> {
    hashes.sort_unstable();
    hashes.dedup();
    let Some(filter) = (!hashes.is_empty()).then(|| BinaryFuse8::try_from(hashes.as_slice()).ok()).flatten() else {
        return Vec::new();
    };
    let mut out = vec![0; DESCRIPTOR];
    filter.dma_copy_descriptor_to(&mut out);
    out.extend_from_slice(filter.dma_fingerprints());
    out
}

/// The hash of a member.
#[inline]
pub(crate) fn hash(member: &[u8]) -> u64 {
    xxh3_64(member)
}

/// The hash of a member of one group, for a filter over many groups.
#[inline]
pub(crate) fn hash_in(group: u16, hash: u64) -> u64 {
    hash.wrapping_add(u64::from(group) << 48)
}

/// Whether the set may hold the member with this hash. A damaged set is an error, and an absent one says yes.
pub(crate) fn may_hold(set: &[u8], hash: u64) -> Result<bool, Damaged> {
    if set.is_empty() {
        return Ok(true);
    }
    let (descriptor, fingerprints) = set.split_at_checked(DESCRIPTOR).ok_or(Damaged("filter too short"))?;
    check(descriptor, fingerprints.len())?;
    Ok(BinaryFuse8Ref::from_dma(descriptor, fingerprints).contains(&hash))
}

/// Makes sure that no probe falls outside of the fingerprints. A descriptor is a seed (u64), then segment length, mask, and segment count
/// times length (u32 each).
fn check(descriptor: &[u8], fingerprints: usize) -> Result<(), Damaged> {
    let mut input = super::bytes::Input(descriptor);
    input.u64()?;
    let (length, mask, count_length) = (input.u32()? as usize, input.u32()? as usize, input.u32()? as usize);
    let fits = length.is_power_of_two()
        && mask == length - 1
        && count_length > 0
        && count_length.is_multiple_of(length)
        && fingerprints >= count_length.saturating_add(2 * length);
    if fits { Ok(()) } else { Err(Damaged("filter with a wrong length")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn members_are_found_and_few_others() {
        for count in [1u64, 2, 3, 10, 1000, 60_000] {
            let set = encode((0..count).map(|n| hash(&n.to_le_bytes())).collect());
            assert!((0..count).all(|n| may_hold(&set, hash(&n.to_le_bytes())).unwrap()), "{count}");
            let others = (count..count + 10_000).filter(|n| may_hold(&set, hash(&n.to_le_bytes())).unwrap()).count();
            assert!(others < 120, "{others} of 10,000 others with {count} members");
        }
    }

    proptest! {
        #[test]
        fn damaged_sets_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), flip in 0usize..400, other: u64) {
            let _ = may_hold(&bytes, other);
            let mut set = encode((0..50u64).map(|n| hash(&n.to_le_bytes())).collect());
            let at = flip / 8 % set.len();
            set[at] ^= 1 << (flip % 8);
            let _ = may_hold(&set, other);
        }
    }
}
