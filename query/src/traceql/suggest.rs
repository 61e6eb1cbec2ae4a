//! What was probably meant by a word that is unknown.

/// Longest word for which another is looked for.
const LONGEST: usize = 32;

/// ` (did you mean status?)` when a known word is likely; else nothing.
pub(super) fn did_you_mean(word: &str, known: impl IntoIterator<Item = &'static str>) -> String {
    if word.len() > LONGEST {
        return String::new();
    }
    let most = (word.chars().count() / 3).min(3);
    let likely = known.into_iter().map(|known| (distance(word, known), known)).min();
    match likely {
        Some((distance, known)) if distance <= most => format!(" (did you mean {known}?)"),
        _ => String::new(),
    }
}

/// How many letters are missing, too much, different or exchanged with the next one. Upper and lower case are equal.
fn distance(one: &str, other: &str) -> usize {
    let letters = |word: &str| word.to_lowercase().chars().collect::<Vec<char>>();
    let (one, other) = (letters(one), letters(other));
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, wanted) in other.iter().enumerate() {
            let differs = usize::from(letter != wanted);
            let exchanged = row > 0 && column > 0 && one[row - 1] == *wanted && *letter == other[column - 1];
            let swap = if exchanged { before[column - 1] + 1 } else { usize::MAX };
            next.push((last[column] + differs).min(last[column + 1] + 1).min(next[column] + 1).min(swap));
        }
        before = std::mem::replace(&mut last, next);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likely_words_are_found() {
        let known = ["status", "statusMessage", "name", "kind", "duration", "rate"];
        for (word, meant) in [
            ("statsu", "status"),
            ("Status", "status"),
            ("statusmessage", "statusMessage"),
            ("nmae", "name"),
            ("durration", "duration"),
            ("foo", ""),
            ("x", ""),
            ("", ""),
            ("kond", "kind"),
        ] {
            let expected = if meant.is_empty() { String::new() } else { format!(" (did you mean {meant}?)") };
            assert_eq!(did_you_mean(word, known), expected, "{word}");
        }
        assert_eq!(did_you_mean(&"é".repeat(40), known), "");
    }
}
