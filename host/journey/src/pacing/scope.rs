//! Whom quotas are counted for.
use caravan_model::manifest::QuotaScope;
use std::{fmt, sync::Arc};

/// One app, connection, account or audience at a partner: whatever has an equal key shares its quotas.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeKey(Arc<str>);

impl fmt::Display for ScopeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The four scopes that a call stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scopes([ScopeKey; 4]);

/// From the widest to the narrowest; the place of each in [`Scopes`].
pub(super) const WIDEST_FIRST: [QuotaScope; 4] =
    [QuotaScope::App, QuotaScope::Login, QuotaScope::Account, QuotaScope::Audience];

impl Scopes {
    /// The scopes of a call: the connector's name, the connection's, and the partner's ids.
    pub fn of(connector: &str, login: &str, account: &str, audience: &str) -> Scopes {
        let key = |text: String| ScopeKey(text.into());
        let (connector, login, account) = (plain(connector), plain(login), plain(account));
        Scopes([
            key(format!("{connector}:app")),
            key(format!("{connector}:login:{login}")),
            key(format!("{connector}:account:{account}")),
            key(format!("{connector}:audience:{account}:{}", plain(audience))),
        ])
    }

    /// One of them.
    pub fn key(&self, scope: QuotaScope) -> &ScopeKey {
        &self.0[scope as usize]
    }

    /// All of them, the widest first.
    pub(super) fn keys(&self) -> &[ScopeKey; 4] {
        &self.0
    }
}

/// Ids are the partner's and may hold colons: without these, two keys could look alike.
fn plain(id: &str) -> String {
    id.replace('%', "%25").replace(':', "%3A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_one_app_and_account_share_and_others_do_not() {
        let (one, two) = (Scopes::of("p", "one", "7", "a"), Scopes::of("p", "two", "7", "b"));
        for scope in WIDEST_FIRST {
            let shared = matches!(scope, QuotaScope::App | QuotaScope::Account);
            assert_eq!(one.key(scope) == two.key(scope), shared, "{scope:?}");
        }
        let (one, two) = (Scopes::of("p", "l", "a:b", "c"), Scopes::of("p", "l", "a", "b:c"));
        assert_ne!(one.key(QuotaScope::Audience), two.key(QuotaScope::Audience));
    }
}
