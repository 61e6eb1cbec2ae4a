//! Splits strings into a template and numbers: `GET /users/817/cart` is `GET /users/#/cart` and 817. Many strings share few templates, and
//! numbers take few bits. So most texts with many distinct values need neither a dictionary nor a compressor, and one row can be read
//! without the others. The split depends only on the string and is exactly reversible.

/// Marks a variable in a template; no UTF-8 text holds this byte.
const MARK: u8 = 0xff;

/// Splits `text` into `template` and `numbers`, which are cleared first. `text` must not hold the byte 0xff.
pub(crate) fn split(text: &[u8], template: &mut Vec<u8>, numbers: &mut Vec<u64>) {
    template.clear();
    numbers.clear();
    let mut rest = text;
    while let Some(first) = rest.first() {
        let word = rest.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (head, tail) = cut(rest, if word == 8 && is_uuid(rest) { UUID } else { word.max(1) });
        if word == 0 {
            template.push(*first);
        } else if head.len() == word {
            split_word(head, template, numbers);
        } else {
            split_uuid(head, template, numbers);
        }
        rest = tail;
    }
}

/// The first bytes and the others.
#[inline]
fn cut(bytes: &[u8], at: usize) -> (&[u8], &[u8]) {
    bytes.split_at_checked(at).unwrap_or((bytes, &[]))
}

fn split_uuid(uuid: &[u8], template: &mut Vec<u8>, numbers: &mut Vec<u64>) {
    for (index, part) in uuid.split(|byte| *byte == b'-').enumerate() {
        template.extend_from_slice(if index == 0 { b"" } else { b"-" });
        split_hex(part, template, numbers);
    }
}

/// Characters of a UUID.
const UUID: usize = 36;

/// Whether the text begins with a lower-case UUID. A part of it may happen to be all letters or all digits.
fn is_uuid(text: &[u8]) -> bool {
    text.len() >= UUID
        && text.iter().take(UUID).enumerate().all(is_in_uuid)
        && !text.get(UUID).is_some_and(u8::is_ascii_alphanumeric)
}

fn is_in_uuid((index, byte): (usize, &u8)) -> bool {
    match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => is_hex(byte),
    }
}

fn is_hex(byte: &u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// A word of ASCII letters and digits.
fn split_word(word: &[u8], template: &mut Vec<u8>, numbers: &mut Vec<u64>) {
    let (letters, rest) = cut(word, word.iter().position(u8::is_ascii_digit).unwrap_or(word.len()));
    if rest.is_empty() {
        template.extend_from_slice(word);
        return;
    }
    let (digits, tail) = cut(rest, rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len()));
    if tail.is_empty() {
        template.extend_from_slice(letters);
        split_digits(digits, template, numbers);
    } else if word.len() >= 4 && word.iter().all(is_hex) {
        split_hex(word, template, numbers);
    } else if letters.is_empty() && word.len() < 8 && tail.iter().all(u8::is_ascii_alphabetic) {
        split_digits(digits, template, numbers);
        template.extend_from_slice(tail);
    } else {
        template.extend_from_slice(word);
    }
}

/// Digits in runs of at most 18: plain ones, and ones with leading zeros, which keep their length.
fn split_digits(digits: &[u8], template: &mut Vec<u8>, numbers: &mut Vec<u64>) {
    for run in digits.chunks(18) {
        let number = run.iter().fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0'));
        if run.len() > 1 && run.first() == Some(&b'0') {
            template.extend_from_slice(&[MARK, class(b'a', run.len())]);
        } else {
            template.extend_from_slice(&[MARK, b'#']);
        }
        numbers.push(number);
    }
}

/// The class of a number of `digits` digits; `first` is that of no digits.
fn class(first: u8, digits: usize) -> u8 {
    first.saturating_add(u8::try_from(digits).unwrap_or(u8::MAX))
}

/// Lower-case hex digits in runs of at most 16.
fn split_hex(word: &[u8], template: &mut Vec<u8>, numbers: &mut Vec<u64>) {
    for run in word.chunks(16) {
        numbers.push(run.iter().fold(0u64, |number, digit| number << 4 | u64::from(hex_value(*digit))));
        template.extend_from_slice(&[MARK, class(b'A', run.len())]);
    }
}

fn hex_value(digit: u8) -> u8 {
    if digit <= b'9' { digit - b'0' } else { digit - b'a' + 10 }
}

/// How many numbers a template takes.
pub(crate) fn variables(template: &[u8]) -> usize {
    template.iter().filter(|byte| **byte == MARK).count()
}

/// How a number of a template is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variable(u8);

/// The texts of a template, each with the variable that follows it; the last has none.
pub(crate) fn pieces(template: &[u8]) -> impl Iterator<Item = (&[u8], Option<Variable>)> {
    let mut rest = Some(template);
    std::iter::from_fn(move || {
        let left = rest?;
        let Some(mark) = memchr::memchr(MARK, left) else { return rest.take().map(|text| (text, None)) };
        rest = Some(left.get(mark + 2..).unwrap_or_default());
        Some((left.get(..mark).unwrap_or_default(), Some(Variable(left.get(mark + 1).copied().unwrap_or(b'#')))))
    })
}

/// Puts the numbers back; appends the text to `out`. Missing numbers count as 0.
pub(crate) fn join(template: &[u8], mut numbers: impl Iterator<Item = u64>, out: &mut Vec<u8>) {
    for (text, variable) in pieces(template) {
        out.extend_from_slice(text);
        if let Some(variable) = variable {
            out.extend_from_slice(variable.write(numbers.next().unwrap_or_default(), &mut Digits::default()));
        }
    }
}

/// Room for the digits of a number.
pub(crate) type Digits = [u8; 20];

impl Variable {
    /// The digits of a number, written as this variable says.
    #[inline]
    pub(crate) fn write(self, number: u64, room: &mut Digits) -> &[u8] {
        match self.0 {
            b'#' => decimal(number, 1, room),
            class @ b'A'..=b'Q' => hex(number, usize::from(class - b'A'), room),
            class => decimal(number, usize::from(class.saturating_sub(b'a')), room),
        }
    }
}

/// At least `width` decimal digits.
fn decimal(mut number: u64, width: usize, room: &mut Digits) -> &[u8] {
    let mut len = 0;
    for digit in room.iter_mut().rev() {
        if number == 0 && len >= width {
            break;
        }
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        len += 1;
    }
    room.get(room.len() - len..).unwrap_or_default()
}

/// The lowest `width` hex digits.
fn hex(number: u64, width: usize, room: &mut Digits) -> &[u8] {
    let digits = room.get_mut(..width.min(16)).unwrap_or_default();
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        *digit = hex_digit((number >> (4 * place) & 15) as u8);
    }
    digits
}

fn hex_digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(text: &str) -> (String, Vec<u64>) {
        let (mut template, mut numbers) = (Vec::new(), Vec::new());
        split(text.as_bytes(), &mut template, &mut numbers);
        (String::from_utf8_lossy(&template).replace('\u{fffd}', "%"), numbers)
    }

    #[test]
    fn numbers_leave_the_text() {
        assert_eq!(parts("/api/v1/users/817"), ("/api/v%#/users/%#".into(), vec![1, 817]));
        assert_eq!(parts("10.0.250.7"), ("%#.%#.%#.%#".into(), vec![10, 0, 250, 7]));
        assert_eq!(parts("at 007ms"), ("at %dms".into(), vec![7]));
        assert_eq!(parts("x2y3z").1, [] as [u64; 0]);
        assert_eq!(parts("3f2a9c1e-77aa").1, [0x3f2a_9c1e, 0x77aa]);
    }

    fn round_trip(text: &str) {
        let (mut template, mut numbers, mut out) = (Vec::new(), Vec::new(), Vec::new());
        split(text.as_bytes(), &mut template, &mut numbers);
        assert_eq!(variables(&template), numbers.len());
        join(&template, numbers.into_iter(), &mut out);
        assert_eq!(out, text.as_bytes());
    }

    #[test]
    fn uuids_come_back() {
        round_trip("8d0c5a52-0f04-4f9e-9f9c-000000000001");
        round_trip("0000000000000000000000000000000000000000");
        round_trip("deadbeefdeadbeefdeadbeef12");
        round_trip("18446744073709551615");
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "\\PC{0,40}|[0-9a-f -]{0,60}|[a-z0-9/.]{0,40}") {
            round_trip(&text);
        }
    }
}
