//! Variable-length integers, as protobuf and the store's pages write them.

/// Appends a number as a varint: seven bits a byte, the lowest first; all bytes but the last have their high bit set.
///
/// ```
/// let mut out = Vec::new();
/// hoptrail_proto::put_varint(&mut out, 300);
/// assert_eq!(out, [0b1010_1100, 0b0000_0010]);
/// ```
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

fn low_byte(value: u64) -> u8 {
    let [low, ..] = value.to_le_bytes();
    low
}
