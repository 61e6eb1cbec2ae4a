//! Splits strings into a template and numbers: `GET /users/817/cart` is `GET /users/#/cart` and 817. Many strings share few
//! templates, and numbers pack into few bits, so most high-cardinality text needs neither a dictionary nor a compressor, and any
//! row is read alone. The split depends on the string only and is exactly reversible.

/// Marks a variable in a template; no UTF-8 text holds this byte.
const MARK: u8 = 0xff;

/// Splits `text` into `template` and `numbers`, which are cleared first. `text` must not hold the byte 0xff.
pub(crate) fn split(text: &[u8], template: &mut Vec<u8>, numbers: &mut Vec<u64>) {
    template.clear();
    numbers.clear();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let word = rest.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len());
        if word == 0 {
            template.push(rest[0]);
            at += 1;
        } else if word == 8 && is_uuid(rest) {
            for (index, part) in rest[..UUID].split(|byte| *byte == b'-').enumerate() {
                template.extend_from_slice(if index == 0 { b"" } else { b"-" });
                split_hex(part, template, numbers);
            }
            at += UUID;
        } else {
            split_word(&rest[..word], template, numbers);
            at += word;
        }
    }
}

/// Characters of a UUID.
const UUID: usize = 36;

/// Whether the text begins with a lower-case UUID, whose parts may happen to be all letters or all digits.
fn is_uuid(text: &[u8]) -> bool {
    let fits = |(index, byte): (usize, &u8)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => is_hex(byte),
    };
    text.len() >= UUID
        && text.iter().take(UUID).enumerate().all(fits)
        && !text.get(UUID).is_some_and(u8::is_ascii_alphanumeric)
}

fn is_hex(byte: &u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// A word of ASCII letters and digits.
fn split_word(word: &[u8], template: &mut Vec<u8>, numbers: &mut Vec<u64>) {
    let letters = word.iter().position(u8::is_ascii_digit).unwrap_or(word.len());
    if letters == word.len() {
        template.extend_from_slice(word);
        return;
    }
    let digits = word[letters..].iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(word.len() - letters);
    let tail = &word[letters + digits..];
    if tail.is_empty() {
        template.extend_from_slice(&word[..letters]);
        split_digits(&word[letters..], template, numbers);
    } else if word.len() >= 4 && word.iter().all(is_hex) {
        split_hex(word, template, numbers);
    } else if letters == 0 && word.len() < 8 && tail.iter().all(u8::is_ascii_alphabetic) {
        split_digits(&word[..digits], template, numbers);
        template.extend_from_slice(tail);
    } else {
        template.extend_from_slice(word);
    }
}

/// Digits in runs of at most 18: plain ones, and ones with leading zeros, which keep their length.
fn split_digits(digits: &[u8], template: &mut Vec<u8>, numbers: &mut Vec<u64>) {
    for run in digits.chunks(18) {
        let number = run.iter().fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0'));
        if run[0] == b'0' && run.len() > 1 {
            template.extend_from_slice(&[MARK, b'a' + run.len() as u8]);
        } else {
            template.extend_from_slice(&[MARK, b'#']);
        }
        numbers.push(number);
    }
}

/// Lower-case hex digits in runs of at most 16.
fn split_hex(word: &[u8], template: &mut Vec<u8>, numbers: &mut Vec<u64>) {
    for run in word.chunks(16) {
        let value = |digit: &u8| if *digit <= b'9' { digit - b'0' } else { digit - b'a' + 10 };
        numbers.push(run.iter().fold(0u64, |number, digit| number << 4 | u64::from(value(digit))));
        template.extend_from_slice(&[MARK, b'A' + run.len() as u8]);
    }
}

/// How many numbers a template takes.
pub(crate) fn variables(template: &[u8]) -> usize {
    template.iter().filter(|byte| **byte == MARK).count()
}

/// Where a number stands in a template, and how it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variable(u8);

/// The texts of a template, each with the variable that follows it; the last has none.
pub(crate) fn pieces(template: &[u8]) -> impl Iterator<Item = (&[u8], Option<Variable>)> {
    let mut rest = Some(template);
    std::iter::from_fn(move || {
        let left = rest?;
        let Some(mark) = memchr::memchr(MARK, left) else { return rest.take().map(|text| (text, None)) };
        rest = Some(left.get(mark + 2..).unwrap_or_default());
        Some((&left[..mark], Some(Variable(left.get(mark + 1).copied().unwrap_or(b'#')))))
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
    /// Whether it is a decimal number without leading zeros.
    #[inline]
    pub(crate) fn is_plain(self) -> bool {
        self.0 == b'#'
    }

    /// A number as it is written here.
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
    let least = room.len() - width.min(room.len());
    let mut first = room.len();
    while number > 0 || first > least {
        first -= 1;
        room[first] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    &room[first..]
}

/// The lowest `width` hex digits.
fn hex(number: u64, width: usize, room: &mut Digits) -> &[u8] {
    let digits = &mut room[..width.min(16)];
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (4 * place) & 15) as usize];
    }
    digits
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
