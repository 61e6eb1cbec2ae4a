//! Tenants: whose data it is (header `X-Scope-OrgID`).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The HTTP header, and the gRPC metadata, that names the tenant.
pub const TENANT_HEADER: &str = "x-scope-orgid";

/// A tenant's name: 1 to 150 bytes of letters, digits and `! - _ . * ' ( )`, not `.` or `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

/// A text that is no tenant name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tenant {0:?} is not valid: 1 to 150 letters, digits and ! - _ . * ' ( ), not \".\" or \"..\"")]
pub struct InvalidTenant(pub String);

/// Whether there is one tenant or many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tenancy {
    /// Everybody is the same tenant. The header is ignored.
    #[default]
    Single,
    /// Every request names its tenant in the header.
    Multi,
}

/// Why a request belongs to no tenant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTenant {
    /// It names none.
    #[error("no org id: the header X-Scope-OrgID must name the tenant")]
    Missing,
    /// It names two, and nobody can say which one is meant.
    #[error("the header X-Scope-OrgID names more than one tenant")]
    Several,
    /// The name is none.
    #[error(transparent)]
    Invalid(#[from] InvalidTenant),
}

impl Tenancy {
    /// The tenant of a request. `values`: each value of [`TENANT_HEADER`] that the request has, in any order. Whoever takes requests
    /// asks here, so that the same rule holds for spans, queries and the web UI.
    ///
    /// ```
    /// use hoptrail_proto::model::{NoTenant, Tenancy, TenantId};
    ///
    /// let values = [b"team-a".as_slice()];
    /// assert_eq!(Tenancy::Multi.tenant(values), Ok(TenantId::new("team-a").unwrap()));
    /// assert_eq!(Tenancy::Multi.tenant([]), Err(NoTenant::Missing));
    /// assert_eq!(Tenancy::Single.tenant(values), Ok(TenantId::single()));
    /// ```
    pub fn tenant<'a>(self, values: impl IntoIterator<Item = &'a [u8]>) -> Result<TenantId, NoTenant> {
        if self == Self::Single {
            return Ok(TenantId::single());
        }
        let mut values = values.into_iter().filter(|value| !value.is_empty());
        let name = values.next().ok_or(NoTenant::Missing)?;
        if values.any(|other| other != name) {
            return Err(NoTenant::Several);
        }
        Ok(TenantId::new(&String::from_utf8_lossy(name))?)
    }
}

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

    #[test]
    fn a_request_belongs_to_the_one_tenant_that_it_names() {
        let (a, b) = (b"a".as_slice(), b"b".as_slice());
        let tenant = |values: &[&'static [u8]]| Tenancy::Multi.tenant(values.iter().copied());
        for values in [&[a][..], &[a, a], &[b"".as_slice(), a]] {
            assert_eq!(tenant(values), Ok(TenantId::new("a").expect("a name")), "{values:?}");
        }
        let empty = b"".as_slice();
        for values in [&[][..], &[empty], &[empty, empty]] {
            assert_eq!(tenant(values), Err(NoTenant::Missing), "{values:?}");
        }
        assert_eq!(tenant(&[a, b]), Err(NoTenant::Several));
        for invalid in [b"a/b".as_slice(), b"a b", b"\xff", b"a|b"] {
            assert!(matches!(tenant(&[invalid]), Err(NoTenant::Invalid(_))), "{invalid:?}");
        }
        for values in [&[][..], &[b"a/b".as_slice()], &[a, b]] {
            assert_eq!(Tenancy::Single.tenant(values.iter().copied()), Ok(TenantId::single()), "{values:?}");
        }
    }
}
