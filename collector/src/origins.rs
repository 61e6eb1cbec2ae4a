//! The origins of web pages that may send. An origin that no browser sends is a mistake in the settings.

use serde::{Deserialize, Deserializer};

/// Reads a list of origins, each as a browser writes it.
pub(crate) fn read<'de, D: Deserializer<'de>>(settings: D) -> Result<Vec<String>, D::Error> {
    let origins = Vec::<String>::deserialize(settings)?;
    origins.iter().try_for_each(|origin| check(origin)).map_err(serde::de::Error::custom)?;
    Ok(origins)
}

/// What is wrong with an origin, and how to write it.
fn check(origin: &str) -> Result<(), String> {
    if matches!(origin, "*" | "null") {
        return Ok(());
    }
    let wrong = |why: &str| Err(format!("the origin {origin:?} can never match: {why}"));
    let Some((scheme, rest)) = origin.split_once("://") else {
        return wrong(&format!("it has no scheme; write \"https://{0}\" or \"http://{0}\"", example(origin)));
    };
    if rest.contains('*') {
        return wrong("a wildcard inside of a name is not known; name every origin, or write \"*\" alone for all");
    }
    if let Some(at) = rest.find(['/', '?', '#']) {
        return wrong(&format!(
            "it goes on after the host; write \"{scheme}://{}\"",
            example(rest.get(..at).unwrap_or(rest))
        ));
    }
    if rest.contains('@') {
        return wrong("it names a user; write only scheme, host and port");
    }
    if !origin.bytes().all(|byte| byte.is_ascii_graphic()) {
        return wrong("browsers send hosts in ASCII without spaces; write other letters as punycode (\"xn--...\")");
    }
    if origin.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return wrong(&format!("browsers send small letters; write {:?}", origin.to_ascii_lowercase()));
    }
    if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
        return wrong("its scheme is none; write \"https://HOST\" or \"http://HOST\"");
    }
    check_host(scheme, rest).or_else(|why| wrong(&why))
}

fn check_host(scheme: &str, rest: &str) -> Result<(), String> {
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if host.is_empty() || (!bracketed && host.contains([':', '[', ']'])) {
        return Err(format!("its host is none; write \"{scheme}://HOST\" or \"{scheme}://HOST:PORT\""));
    }
    let Some(port) = port else { return Ok(()) };
    match (scheme, port.parse::<u16>()) {
        ("https", Ok(443)) | ("http", Ok(80)) => {
            Err(format!("browsers leave out the port of the scheme; write \"{scheme}://{host}\""))
        }
        (_, Ok(port_number)) if port_number > 0 && port_number.to_string() == port => Ok(()),
        _ => Err(format!("{port:?} is no port; write a number from 1 to 65535, or leave it out with the colon")),
    }
}

/// The host in a text, or a name to replace.
fn example(text: &str) -> &str {
    text.split('/').find(|segment| !segment.is_empty()).unwrap_or("HOST")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_sends_is_taken() {
        for origin in [
            "*",
            "null",
            "https://shop.example",
            "http://localhost:8080",
            "http://127.0.0.1:3000",
            "http://[::1]:3000",
            "https://[2001:db8::1]",
            "https://shop.example:80",
            "http://shop.example:443",
            "https://xn--bcher-kva.example",
            "chrome-extension://abcdefghijklmnop",
            "capacitor://localhost",
        ] {
            assert_eq!(check(origin), Ok(()), "{origin}");
        }
    }

    #[test]
    fn what_can_never_match_says_how_to_write_it() {
        for (origin, advice) in [
            ("https://x/", "write \"https://x\""),
            ("https://x/app/", "write \"https://x\""),
            ("https://x?a", "write \"https://x\""),
            ("x", "write \"https://x\" or \"http://x\""),
            ("//x", "write \"https://x\""),
            ("x:8080", "write \"https://x:8080\""),
            ("", "write \"https://HOST\""),
            ("https://Shop.example", "write \"https://shop.example\""),
            ("HTTPS://shop.example", "write \"https://shop.example\""),
            ("https://x:443", "write \"https://x\""),
            ("http://[::1]:80", "write \"http://[::1]\""),
            ("https://x:", "is no port"),
            ("https://x:0", "is no port"),
            ("https://x:08080", "is no port"),
            ("https://x:70000", "is no port"),
            ("https://*.x", "name every origin"),
            ("https://", "HOST"),
            ("https://:80", "HOST"),
            ("https://::1", "HOST"),
            ("://x", "scheme"),
            ("https://bücher.example", "punycode"),
            ("https://a b", "without spaces"),
            ("https://me@x", "names a user"),
        ] {
            let error = check(origin).expect_err(origin);
            assert!(error.contains(advice) && error.contains(&format!("{origin:?}")), "{origin}: {error}");
        }
    }
}
