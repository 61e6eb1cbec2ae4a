//! Tenants: whose data it is (header `X-Scope-OrgID`).

use std::fmt;
use std::sync::Arc;

/// A tenant's name: 1 to 150 bytes of letters, digits and `! - _ . * ' ( )`, not `.` or `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

/// A text that is no tenant name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tenant {0:?} is not valid: 1 to 150 letters, digits and ! - _ . * ' ( ), not \".\" or \"..\"")]
pub struct InvalidTenant(pub String);

impl TenantId {
    /// The tenant of everybody while multi-tenancy is off.
    #[must_use]
    pub fn single() -> Self {
        Self("single-tenant".into())
    }

    /// Checks and takes a tenant name.
    pub fn new(name: &str) -> Result<Self, InvalidTenant> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!-_.*'()".contains(&byte);
        let valid = (1..=150).contains(&name.len()) && name.bytes().all(allowed) && name != "." && name != "..";
        if valid { Ok(Self(name.into())) } else { Err(InvalidTenant(name.to_owned())) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert!(TenantId::new("team-a.(prod)").is_ok());
        for bad in ["", "..", "a/b", "a b", "ü", &"x".repeat(151)] {
            assert_eq!(TenantId::new(bad), Err(InvalidTenant(bad.to_owned())));
        }
    }
}
