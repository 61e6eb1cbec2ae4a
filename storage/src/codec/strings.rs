//! Columns of strings and bytes: each row is a code into a dictionary of templates, and the template's numbers as bits.
//!
//! Three forms share one layout. *Dictionary*: few distinct values, no numbers. *Templates*: many values of few templates.
//! *Plain*: each row is its own code.

mod encode;
mod hashes;
mod pieces;

pub(crate) use encode::{Content, encode, wants_filter};
pub(crate) use pieces::Pieces;

use super::bits::{self, Bitmap, width_of};
use super::blocks::{BlockCursor, Blocks};
use super::bytes::Input;
use super::{Damaged, len_u32, template, to_usize};

/// Rows between two bit offsets.
const BLOCK: usize = 128;
const PLAIN: u8 = 0;
const CODED: u8 = 1;
const TEMPLATES: u8 = 2;

/// Smallest value and width of one number of a template.
#[derive(Debug, Clone, Copy)]
struct Slot {
    base: u64,
    width: u32,
}

impl Slot {
    /// The number minus the smallest value, as it is stored; `None` when it is outside of the range.
    fn offset(self, number: u64) -> Option<u64> {
        number.checked_sub(self.base).filter(|offset| width_of(*offset) <= self.width)
    }
}

const OUTSIDE: Damaged = Damaged("template outside of its dictionary");

/// The numbers as the bits of a row have them: value and width of each. `None` when no row can have them.
fn packed(slots: &[Slot], numbers: &[u64]) -> Option<Vec<(u64, u32)>> {
    if slots.len() != numbers.len() {
        return None;
    }
    slots.iter().zip(numbers).map(|(slot, number)| Some((slot.offset(*number)?, slot.width))).collect()
}

/// Joins the first values into one, as many as fit a word. Answers it and the other values.
fn joined(values: &[(u64, u32)]) -> ((u64, u32), &[(u64, u32)]) {
    let (mut first, mut rest) = ((0, 0), values);
    while let Some(((value, width), others)) = rest.split_first()
        && first.1 + width < u64::BITS
    {
        first = (first.0 | value << first.1, first.1 + width);
        rest = others;
    }
    (first, rest)
}

/// Whether the bits from `at` on are these values.
#[inline]
fn holds(stream: &[u8], mut at: usize, values: &[(u64, u32)]) -> Result<bool, Damaged> {
    for (value, width) in values {
        if bits::read(stream, at, *width)? != *value {
            return Ok(false);
        }
        at += *width as usize;
    }
    Ok(true)
}

/// A page of strings. Opening it reads the header; values come through a [`StringCursor`].
#[derive(Debug)]
pub(crate) struct Strings<'a> {
    len: usize,
    dictionary: Blocks<'a>,
    form: Form<'a>,
}

#[derive(Debug)]
enum Form<'a> {
    Plain,
    Coded { codes: &'a [u8], width: u32 },
    Templates { codes: &'a [u8], width: u32, numbers: Numbers<'a> },
}

#[derive(Debug)]
struct Numbers<'a> {
    /// For each template the end of its slots in `slots`, and the bits of a row.
    templates: Vec<(u32, u32)>,
    slots: Vec<Slot>,
    offsets: &'a [u8],
    packed: &'a [u8],
}

impl<'a> Strings<'a> {
    pub(crate) fn parse(page: &'a [u8]) -> Result<Self, Damaged> {
        let mut input = Input(page);
        let form = input.byte()?;
        let len = input.count(0)?;
        if form == PLAIN {
            let dictionary = Blocks::parse(input.0)?;
            if dictionary.len() != len {
                return Err(Damaged("plain page with a wrong count"));
            }
            return Ok(Self { len, dictionary, form: Form::Plain });
        }
        let dictionary = Blocks::parse(input.bytes()?)?;
        if dictionary.len() > len {
            return Err(Damaged("more distinct values than rows"));
        }
        let width = width_of(dictionary.len().saturating_sub(1) as u64);
        let codes = input.bytes()?;
        if width > 32 || codes.len() < (len * width as usize).div_ceil(8) {
            return Err(Damaged("codes shorter than their page"));
        }
        let form = match form {
            CODED => Form::Coded { codes, width },
            TEMPLATES => Form::Templates { codes, width, numbers: Numbers::parse(input, len, dictionary.len())? },
            _ => return Err(Damaged("unknown form of a string page")),
        };
        Ok(Self { len, dictionary, form })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The distinct values by their [code](Strings::code); `None` when the page has no dictionary.
    pub(crate) fn dictionary(&self) -> Option<&Blocks<'a>> {
        matches!(self.form, Form::Coded { .. }).then_some(&self.dictionary)
    }

    /// The code of a row's value, or of its template.
    pub(crate) fn code(&self, row: usize) -> Result<usize, Damaged> {
        if row >= self.len {
            return Err(Damaged("row outside of its page"));
        }
        match &self.form {
            Form::Plain => Ok(row),
            Form::Coded { codes, width } | Form::Templates { codes, width, .. } => {
                bits::read(codes, row * *width as usize, *width).map(to_usize)
            }
        }
    }

    /// Calls `visit` with the codes of all rows, in order.
    pub(crate) fn codes(&self, mut visit: impl FnMut(u64)) -> Result<(), Damaged> {
        match &self.form {
            Form::Plain => (0..self.len as u64).for_each(visit),
            Form::Coded { codes, width } | Form::Templates { codes, width, .. } => {
                bits::each(codes, 0, *width, self.len, &mut visit)?;
            }
        }
        Ok(())
    }

    /// The rows whose value satisfies `test`. In a dictionary each distinct value is tested once. For rows outside of `among` the answer
    /// may be wrong.
    pub(crate) fn select(&self, among: &Bitmap, mut test: impl FnMut(&[u8]) -> bool) -> Result<Bitmap, Damaged> {
        let mut rows = Bitmap::none(self.len);
        let Form::Coded { .. } = &self.form else {
            self.each(among.iter(), |row, value| rows.insert_if(row, test(value)))?;
            return Ok(rows);
        };
        let mut good = Bitmap::none(self.dictionary.len());
        self.dictionary.each(|code, value| good.insert_if(code, test(value)))?;
        if !good.is_empty() {
            for row in 0..self.len {
                rows.insert_if(row, good.contains(self.code(row)?));
            }
        }
        Ok(rows)
    }

    /// Calls `visit` with the values at these rows, which ascend.
    pub(crate) fn values(&self, rows: &[usize], mut visit: impl FnMut(&[u8])) -> Result<(), Damaged> {
        if !matches!(self.form, Form::Coded { .. }) {
            return self.each(rows.iter().copied(), |_, value| visit(value));
        }
        // Codes come in any order, so the whole dictionary is decompressed once.
        let (mut texts, mut ends) = (Vec::new(), Vec::with_capacity(self.dictionary.len().min(self.len)));
        self.dictionary.each(|_, value| {
            texts.extend_from_slice(value);
            ends.push(texts.len());
        })?;
        for row in rows {
            let code = self.code(*row)?;
            let start = code.checked_sub(1).map_or(Some(0), |before| ends.get(before).copied());
            let value = start.zip(ends.get(code).copied()).and_then(|(start, end)| texts.get(start..end));
            visit(value.ok_or(Damaged("code outside of its dictionary"))?);
        }
        Ok(())
    }

    /// Calls `visit` with the values of these rows.
    fn each(&self, rows: impl Iterator<Item = usize>, mut visit: impl FnMut(usize, &[u8])) -> Result<(), Damaged> {
        let mut cursor = StringCursor::new(self);
        let mut value = Vec::new();
        for row in rows {
            value.clear();
            cursor.read(row, &mut value)?;
            visit(row, &value);
        }
        Ok(())
    }

    /// The rows whose value is `literal`.
    pub(crate) fn find(&self, literal: &[u8]) -> Result<Bitmap, Damaged> {
        let Form::Templates { codes, width, numbers } = &self.form else {
            return self.select(&Bitmap::all(self.len), |value| value == literal);
        };
        let (mut template, mut wanted) = (Vec::new(), Vec::new());
        template::split(literal, &mut template, &mut wanted);
        let mut code = None;
        self.dictionary.each(|index, known| {
            if known == template.as_slice() {
                code = Some(index);
            }
        })?;
        let mut rows = Bitmap::none(self.len);
        let Some(code) = code else { return Ok(rows) };
        let Some(wanted) = packed(numbers.template(code)?.0, &wanted) else { return Ok(rows) };
        let (first, rest) = joined(&wanted);
        let mut at = 0;
        for row in 0..self.len {
            let found = to_usize(bits::read(codes, row * *width as usize, *width)?);
            if found == code && bits::read(numbers.packed, at, first.1)? == first.0 {
                rows.insert_if(row, holds(numbers.packed, at + first.1 as usize, rest)?);
            }
            at += numbers.templates.get(found).ok_or(OUTSIDE)?.1 as usize;
        }
        Ok(rows)
    }

    /// Calls `visit` with the values of these rows. A value that several rows share may come only once.
    pub(crate) fn distinct(&self, rows: &Bitmap, mut visit: impl FnMut(&[u8])) -> Result<(), Damaged> {
        if let Form::Coded { .. } = self.form {
            let mut used = Bitmap::none(self.dictionary.len());
            for row in rows.iter() {
                used.insert(self.code(row)?);
            }
            return self.dictionary.each(|code, value| {
                if used.contains(code) {
                    visit(value);
                }
            });
        }
        self.each(rows.iter(), |_, value| visit(value))
    }
}

impl<'a> Numbers<'a> {
    /// Reads the slots of `count` templates. The texts of the templates are decompressed only when one is needed.
    fn parse(mut input: Input<'a>, len: usize, count: usize) -> Result<Self, Damaged> {
        let (mut slots, mut templates) = (Vec::new(), Vec::with_capacity(count.min(1 << 16)));
        for _ in 0..count {
            let mut bits = 0;
            for _ in 0..input.count(16)? {
                let slot = Slot { base: input.varint()?, width: u32::from(input.byte()?) };
                if slot.width > 64 {
                    return Err(Damaged("width over 64 bits"));
                }
                bits += slot.width;
                slots.push(slot);
            }
            templates.push((len_u32(slots.len()), bits));
        }
        let offsets = input.take(len.div_ceil(BLOCK) * 4)?;
        Ok(Self { templates, slots, offsets, packed: input.0 })
    }

    /// The slots of a template, and the bits one row of it takes.
    fn template(&self, code: usize) -> Result<(&[Slot], usize), Damaged> {
        let (end, bits) = *self.templates.get(code).ok_or(OUTSIDE)?;
        let start = code.checked_sub(1).and_then(|before| self.templates.get(before)).map_or(0, |(end, _)| *end);
        Ok((self.slots.get(start as usize..end as usize).ok_or(OUTSIDE)?, bits as usize))
    }

    /// The numbers of the row whose bits begin at `at`.
    fn row<'s>(&'s self, slots: &'s [Slot], mut at: usize) -> impl Iterator<Item = Result<u64, Damaged>> + 's {
        slots.iter().map(move |slot| {
            let number = bits::read(self.packed, at, slot.width)?;
            at += slot.width as usize;
            Ok(slot.base.wrapping_add(number))
        })
    }

    fn offset(&self, block: usize) -> Result<usize, Damaged> {
        let bytes = self.offsets.get(block * 4..).ok_or(Damaged("row outside of its page"))?;
        Ok(Input(bytes).u32()? as usize)
    }
}

/// Reads rows of a page; ascending rows cost least.
#[derive(Debug)]
pub(crate) struct StringCursor<'p, 'a> {
    page: &'p Strings<'a>,
    dictionary: BlockCursor<'a>,
    /// The next row whose bit position is known, and that position. For the first row of a block the position is always taken from the
    /// page, so that it does not depend on which rows were read before.
    next: (usize, usize),
}

impl<'p, 'a> StringCursor<'p, 'a> {
    pub(crate) fn new(page: &'p Strings<'a>) -> Self {
        Self { page, dictionary: BlockCursor::new(page.dictionary), next: (usize::MAX, 0) }
    }

    /// Appends the value at `row` to `out`.
    pub(crate) fn read(&mut self, row: usize, out: &mut Vec<u8>) -> Result<(), Damaged> {
        let code = self.page.code(row)?;
        let Form::Templates { numbers, .. } = &self.page.form else {
            out.extend_from_slice(self.dictionary.get(code)?);
            return Ok(());
        };
        let at = self.position(numbers, row)?;
        let (slots, bits) = numbers.template(code)?;
        self.next = (row + 1, at + bits);
        let mut damage = None;
        let values = numbers.row(slots, at).map(|value| {
            value.unwrap_or_else(|error| {
                damage = Some(error);
                0
            })
        });
        template::join(self.dictionary.get(code)?, values, out);
        damage.map_or(Ok(()), Err)
    }

    /// Where the bits of `row` begin.
    fn position(&self, numbers: &Numbers<'_>, row: usize) -> Result<usize, Damaged> {
        let block = row / BLOCK;
        let (mut from, mut at) = self.next;
        if from > row || from / BLOCK != block || from.is_multiple_of(BLOCK) {
            (from, at) = (block * BLOCK, numbers.offset(block)?);
        }
        for before in from..row {
            at += numbers.template(self.page.code(before)?)?.1;
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(values: &[Vec<u8>], content: Content) {
        let slices: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let page = encode(&slices, content);
        let read = Strings::parse(&page).unwrap();
        assert_eq!(read.len(), values.len());
        let mut cursor = StringCursor::new(&read);
        for row in (0..values.len()).chain((0..values.len()).rev().step_by(7)) {
            let mut value = Vec::new();
            cursor.read(row, &mut value).unwrap();
            assert_eq!(&value, &values[row]);
        }
        if let Some(literal) = values.get(values.len() / 2) {
            let expected: Vec<usize> = (0..values.len()).filter(|row| &values[*row] == literal).collect();
            assert_eq!(read.find(literal).unwrap().iter().collect::<Vec<_>>(), expected);
            let selected = read.select(&Bitmap::all(values.len()), |value| value == literal.as_slice()).unwrap();
            assert_eq!(selected.iter().collect::<Vec<_>>(), expected);
        }
        assert!(read.find(b"not there 17").unwrap().is_empty());
        assert!(cursor.read(values.len(), &mut Vec::new()).is_err());
    }

    #[test]
    fn each_form_keeps_its_values() {
        let few = |n: u32| format!("worker-{}", n % 60).into_bytes();
        let many = |n: u32| format!("GET /users/{}/orders/{:04}", n * 7919 % 100_003, n % 13).into_bytes();
        let odd = |n: u32| format!("{:x}z{:x}", n.wrapping_mul(0x9e37_79b9), n.wrapping_mul(77)).into_bytes();
        for values in [few as fn(u32) -> Vec<u8>, many, odd] {
            check(&(0..9000).map(values).collect::<Vec<_>>(), Content::Text);
            check(&(0..300).map(values).collect::<Vec<_>>(), Content::Bytes);
        }
        check(&[], Content::Text);
    }

    #[test]
    fn templates_are_small() {
        let values: Vec<Vec<u8>> =
            (0..60_000u64).map(|n| format!("user-{}", n * 7_919 % 500_000).into_bytes()).collect();
        let slices: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let bits = encode(&slices, Content::Text).len() as f64 * 8.0 / 60_000.0;
        assert!(bits < 19.5, "{bits} bits a value, of which 18.9 are the number");
    }

    #[test]
    fn damaged_positions_give_the_same_values_in_any_order() {
        let values: Vec<Vec<u8>> = (100..300u32).map(|number| format!("user-{number}").into_bytes()).collect();
        let slices: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let page = encode(&slices, Content::Text);
        assert_eq!(page[0], TEMPLATES);
        let positions = page.len() - 8 - 200 - 8;
        for position in [positions, positions + 4] {
            let mut page = page.clone();
            page[position] ^= 0xff;
            let page = Strings::parse(&page).unwrap();
            let read = |rows: &mut dyn Iterator<Item = usize>| {
                let mut cursor = StringCursor::new(&page);
                let mut one = |row| {
                    let mut value = Vec::new();
                    (row, cursor.read(row, &mut value), value)
                };
                let mut values: Vec<_> = rows.map(&mut one).collect();
                values.sort_by_key(|(row, ..)| *row);
                values
            };
            let forwards = read(&mut (0..200));
            assert_eq!(forwards, read(&mut (0..200).rev()));
            assert!(forwards.iter().any(|(row, _, value)| *value != values[*row]));
        }
    }

    #[test]
    fn a_page_has_no_more_distinct_values_than_rows() {
        let page = encode(&[b"GET".as_slice(); 9], Content::Text);
        assert_eq!(page[..2], [CODED, 9]);
        let rows = |count: u8| [&[CODED, count], &page[2..]].concat();
        assert!(Strings::parse(&rows(1)).is_ok());
        assert!(Strings::parse(&rows(0)).is_err());
    }

    proptest! {
        #[test]
        fn any_text(values in prop::collection::vec("[a-c0-3 /.]{0,12}", 0..400)) {
            check(&values.into_iter().map(String::into_bytes).collect::<Vec<_>>(), Content::Text);
        }

        #[test]
        fn damaged_pages_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), form in 0u8..3) {
            let bytes = [vec![form], bytes].concat();
            if let Ok(page) = Strings::parse(&bytes) && page.len() < 10_000 {
                let _ = StringCursor::new(&page).read(0, &mut Vec::new());
                let _ = page.find(b"a1");
                let _ = page.select(&Bitmap::all(page.len()), |_| true);
            }
        }
    }
}
