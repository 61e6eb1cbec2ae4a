//! Hashes of the texts of a page. The text of a row is never put together.

use super::{BLOCK, Form, Numbers, OUTSIDE, Strings};
use crate::codec::hash::{TextHasher, begun, mixed};
use crate::codec::{Damaged, bits, to_usize};

impl Strings<'_> {
    /// The hashes of the texts of all rows, as [`TextHasher`] makes them.
    pub(crate) fn hashes(&self) -> Result<Vec<u64>, Damaged> {
        let mut hashes = Vec::with_capacity(self.len);
        let Form::Templates { codes, width, numbers } = &self.form else {
            let mut hasher = TextHasher::default();
            self.each(0..self.len, |_, text| hashes.push(hasher.hash(text)))?;
            return Ok(hashes);
        };
        let mut templates = Vec::with_capacity(self.dictionary.len().min(self.len));
        self.dictionary.each(|_, template| templates.push(begun(template)))?;
        for first in (0..self.len).step_by(BLOCK) {
            let (mut at, mut read) = (numbers.offset(first / BLOCK)?, Ok(()));
            let rows = BLOCK.min(self.len - first);
            bits::each(codes, first * *width as usize, *width, rows, |code| {
                match numbers.hash(&templates, to_usize(code), at) {
                    Ok((hash, bits)) => {
                        hashes.push(hash);
                        at = at.wrapping_add(bits);
                    }
                    Err(error) => read = Err(error),
                }
            })?;
            read?;
        }
        Ok(hashes)
    }
}

impl Numbers<'_> {
    /// The hash of a row of this template whose numbers begin at bit `at`, and how many bits these take.
    #[inline]
    fn hash(&self, templates: &[u64], code: usize, at: usize) -> Result<(u64, usize), Damaged> {
        let mut hash = *templates.get(code).ok_or(OUTSIDE)?;
        let (slots, bits) = self.template(code)?;
        for number in self.row(slots, at) {
            hash = mixed(hash, number?);
        }
        Ok((hash, bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::strings::{Content, encode};

    #[test]
    fn a_text_has_one_hash_in_all_forms() {
        let few = |n: u32| format!("worker-{}", n % 60);
        let many = |n: u32| format!("GET /users/{}/orders/{:04}", n * 7919 % 100_003, n % 13);
        let odd = |n: u32| format!("{:x}z{:x}", n.wrapping_mul(0x9e37_79b9), n.wrapping_mul(77));
        let mut hasher = TextHasher::default();
        for value in [few as fn(u32) -> String, many, odd] {
            let values: Vec<String> = (0..3000).map(value).collect();
            let slices: Vec<&[u8]> = values.iter().map(String::as_bytes).collect();
            let page = encode(&slices, Content::Text);
            let hashes = Strings::parse(&page).and_then(|page| page.hashes()).expect("what is written is read");
            assert_eq!(hashes, slices.iter().map(|text| hasher.hash(text)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn texts_that_differ_have_other_hashes() {
        let mut hasher = TextHasher::default();
        let texts = (0..200_000u32).flat_map(|n| [format!("{}.{}", n / 500, n % 500), format!("{n}"), format!("a{n}")]);
        let hashes: std::collections::HashSet<u64> = texts.map(|text| hasher.hash(text.as_bytes())).collect();
        assert_eq!(hashes.len(), 600_000);
    }
}
