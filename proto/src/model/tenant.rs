//! Tenants: whose data it is (header `X-Scope-OrgID`).

use std::collections::BTreeSet;
use std::iter::{Chain, Once};
use std::sync::Arc;
use std::{fmt, slice};

use serde::{Deserialize, Serialize};

/// The HTTP header, and the gRPC metadata, that names the tenant.
pub const TENANT_HEADER: &str = "x-scope-orgid";

/// A tenant's name: 1 to 150 bytes of letters, digits and `! - _ . * ' ( )`, not `.` or `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

/// Most tenants that one query reads.
const MAX_TENANTS: usize = 64;

/// The tenants whose data one query reads as if it were of one: at least one, sorted, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenants {
    first: TenantId,
    others: Arc<[TenantId]>,
}

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
    /// It names more than a query reads.
    #[error("the header X-Scope-OrgID names {0} tenants; at most {MAX_TENANTS} are read at once")]
    TooMany(usize),
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
        match self {
            Self::Single => Ok(TenantId::single()),
            Self::Multi => Ok(TenantId::new(&only(values)?)?),
        }
    }

    /// The tenants that a query reads: as [`tenant`](Self::tenant), and `a|b` names several.
    ///
    /// ```
    /// use hoptrail_proto::model::{Tenancy, Tenants, TenantId};
    ///
    /// let [a, b] = ["a", "b"].map(|name| TenantId::new(name).unwrap());
    /// assert!(Tenancy::Multi.tenants([b"b|a|b".as_slice()]).unwrap().iter().eq([&a, &b]));
    /// assert_eq!(Tenancy::Single.tenants([]), Ok(Tenants::from(TenantId::single())));
    /// ```
    pub fn tenants<'a>(self, values: impl IntoIterator<Item = &'a [u8]>) -> Result<Tenants, NoTenant> {
        if self == Self::Single {
            return Ok(TenantId::single().into());
        }
        let text = only(values)?;
        let mut tenants = text.split('|').map(TenantId::new).collect::<Result<BTreeSet<_>, _>>()?;
        if tenants.len() > MAX_TENANTS {
            return Err(NoTenant::TooMany(tenants.len()));
        }
        let first = tenants.pop_first().ok_or(NoTenant::Missing)?;
        Ok(Tenants { first, others: tenants.into_iter().collect() })
    }
}

/// The value that all values are, as text.
fn only<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<String, NoTenant> {
    let mut values = values.into_iter().filter(|value| !value.is_empty());
    let name = values.next().ok_or(NoTenant::Missing)?;
    if values.any(|other| other != name) {
        return Err(NoTenant::Several);
    }
    Ok(String::from_utf8_lossy(name).into_owned())
}

impl Tenants {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &TenantId> {
        self.into_iter()
    }

    /// The first of them.
    #[must_use]
    pub fn first(&self) -> &TenantId {
        &self.first
    }

    /// Whether there is only one.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.others.is_empty()
    }
}

impl<'a> IntoIterator for &'a Tenants {
    type Item = &'a TenantId;
    type IntoIter = Chain<Once<&'a TenantId>, slice::Iter<'a, TenantId>>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(&self.first).chain(self.others.iter())
    }
}

impl From<TenantId> for Tenants {
    fn from(tenant: TenantId) -> Self {
        Self { first: tenant, others: [].into() }
    }
}

impl From<&TenantId> for Tenants {
    fn from(tenant: &TenantId) -> Self {
        tenant.clone().into()
    }
}

impl From<&Tenants> for Tenants {
    fn from(tenants: &Tenants) -> Self {
        tenants.clone()
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
    fn a_query_may_read_several_tenants() {
        let tenants = |text: &'static str| {
            let found = Tenancy::Multi.tenants([text.as_bytes()]);
            found.map(|tenants| tenants.iter().map(TenantId::to_string).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(tenants("a"), Ok("a".to_owned()));
        assert_eq!(tenants("b|a|b|c"), Ok("a b c".to_owned()));
        assert_eq!(tenants(""), Err(NoTenant::Missing));
        for invalid in ["a|", "|", "a||b", "a| b", "a|..", "a|b/c"] {
            assert!(matches!(tenants(invalid), Err(NoTenant::Invalid(_))), "{invalid}");
        }
        let many: Vec<_> = (0..65).map(|number| format!("t{number}")).collect();
        let found = Tenancy::Multi.tenants([many.join("|").as_bytes()]);
        assert_eq!(found, Err(NoTenant::TooMany(65)));
        assert!(Tenancy::Multi.tenants([many[..64].join("|").as_bytes()]).is_ok());
        let repeated = "a|".repeat(50_000) + "a";
        assert_eq!(Tenancy::Multi.tenants([repeated.as_bytes()]), Ok(TenantId::new("a").expect("a name").into()));
        assert_eq!(Tenancy::Multi.tenants([b"a".as_slice(), b"b"]), Err(NoTenant::Several));
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
