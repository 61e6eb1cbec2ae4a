//! Numbers and durations as tokens.

use super::duration::parse_duration;
use super::tokens::TokenKind;

/// The beginning of `text` that is one number or duration, readable or not.
pub(super) fn scan(text: &str) -> &str {
    let mut end = 0;
    let mut before = ' ';
    let exponent = exponent_at(text);
    for (at, c) in text.char_indices() {
        let sign_of_exponent = matches!(c, '+' | '-') && matches!(before, 'e' | 'E') && exponent == Some(at - 1);
        if !(c.is_alphanumeric() || c == '.' || c == '_' || sign_of_exponent) {
            break;
        }
        end = at + c.len_utf8();
        before = c;
    }
    &text[..end]
}

/// Where the exponent's letter stands, when digits (and a sign) follow it.
fn exponent_at(text: &str) -> Option<usize> {
    let at = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let rest = text[at..].strip_prefix(['e', 'E'])?;
    let rest = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    rest.starts_with(|c: char| c.is_ascii_digit()).then_some(at)
}

/// The token that a scanned text is.
pub(super) fn read(text: &str) -> Result<TokenKind, String> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse::<u64>() {
            Ok(value) if value <= i64::MAX as u64 + 1 => Ok(TokenKind::Int(value)),
            _ => Err(format!("{text} is larger than the largest int, 9223372036854775807")),
        };
    }
    let mantissa = exponent_at(text).map_or(text, |at| &text[..at]);
    if mantissa.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && mantissa.matches('.').count() <= 1 {
        return match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(TokenKind::Float(value)),
            Ok(_) => Err(format!("{text} is larger than the largest float")),
            Err(_) => Err(format!("{text:?} is no number")),
        };
    }
    parse_duration(text).map(TokenKind::Duration)
}
