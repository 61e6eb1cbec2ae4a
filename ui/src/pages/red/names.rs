//! Names of services in paths.

use hoptrail_query::{pairs, quoted};

use crate::url::{escaped, href};

/// The page of all services.
pub(crate) const SERVICES: &str = "/services";
/// Longer names have no page: browsers and proxies refuse longer addresses.
const LONGEST: usize = 2_000;

/// The page of a service; empty for a name that no address can hold.
pub(crate) fn service_href<'a>(name: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    // A browser takes dots for folders.
    let is_plain = !name.is_empty() && !name.chars().all(|c| c == '.');
    let written = if is_plain { pairs::write_name(name) } else { quoted(name) };
    if written.len() > LONGEST {
        return String::new();
    }
    href(&format!("{SERVICES}/{}", escaped(&written)), pairs)
}

/// The name that a path has.
pub(crate) fn named(text: &str) -> String {
    pairs::read_name(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_path_that_reads_back() {
        for name in ["cart", "a b", "", ".", "..", "a/b", "ü\"<>#?%&+", "\"x\"", "\u{202e}x", "a\n"] {
            let link = service_href(name, []);
            let path = link.strip_prefix("/services/").expect("a path");
            assert!(
                path.is_ascii() && !path.contains(['/', '?', '#', '"', '<', '+']) && !path.starts_with('.'),
                "{link}"
            );
            let decoded: Vec<u8> = decode(path.as_bytes());
            assert_eq!(named(&String::from_utf8(decoded).expect("text")), name);
        }
        assert_eq!(service_href(&"x".repeat(3_000), []), "");
    }

    fn decode(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = bytes.iter();
        while let Some(byte) = rest.next() {
            let digit = |byte: Option<&u8>| char::from(*byte.expect("a digit")).to_digit(16).expect("hex") as u8;
            out.push(if *byte == b'%' { digit(rest.next()) * 16 + digit(rest.next()) } else { *byte });
        }
        out
    }
}
