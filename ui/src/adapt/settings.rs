//! Settings of where pages stand, and their errors.

/// The path below which pages stand, without a slash at its end; empty for the root.
pub(crate) fn base(path: &str) -> &str {
    path.trim_end_matches('/')
}

/// Says what is wrong with `ui.base_path`.
///
/// # Errors
/// The reason, for a person.
pub fn check_base_path(path: &str) -> Result<(), String> {
    let base = base(path);
    let is_plain = |part: &str| {
        !part.is_empty()
            && !part.chars().all(|c| c == '.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c))
    };
    if base.is_empty() || base.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_plain)) {
        return Ok(());
    }
    Err(format!("{path:?} is no path such as /hoptrail: it begins with / and has letters, digits and - . _ ~"))
}

/// Says what is wrong with `ui.frame_ancestors`.
///
/// # Errors
/// The reason, for a person.
pub fn check_frame_ancestors(origins: &[String]) -> Result<(), String> {
    origins.iter().try_for_each(|origin| {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://")).unwrap_or_default();
        let is_origin = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-.*:[]".contains(c));
        if is_origin || origin == "self" {
            return Ok(());
        }
        Err(format!("{origin:?} is no origin: write self, https://grafana.example or https://*.example.com:8443"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_is_a_plain_path() {
        for good in ["", "/", "/hoptrail", "/hoptrail/", "/a/b-c_d.e~f"] {
            assert_eq!(check_base_path(good), Ok(()), "{good}");
        }
        for bad in ["hoptrail", "//a", "/a//b", "/a\"b", "/{x}", "/a/../b", "/a?b", "/ä", "https://a/b"] {
            assert!(check_base_path(bad).is_err_and(|reason| reason.contains("/hoptrail")), "{bad}");
        }
        assert_eq!((base("/"), base("/a/"), base("")), ("", "/a", ""));
    }

    #[test]
    fn frames_are_in_pages_of_origins() {
        let check = |origin: &str| check_frame_ancestors(&[origin.to_owned()]);
        for good in ["self", "https://grafana.example", "http://localhost:3000", "https://*.example.com:8443"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", "grafana", "https://", "https://a/b", "https://a; script-src *", "https://a b", "javascript:x"]
        {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
