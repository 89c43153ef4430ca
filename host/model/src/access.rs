//! Who may do what: rights, ready roles, members (people who sign in) and keys (machines).
use crate::Millis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

macro_rules! rights {
    ($($name:ident = $word:literal, $words:literal;)*) => {
        /// What someone may do in a workspace.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum Right { $(
            #[doc = $words]
            $name,
        )* }

        impl Right {
            /// All rights.
            pub const ALL: &'static [Right] = &[$(Right::$name),*];

            /// The word that people write.
            pub fn word(self) -> &'static str {
                match self { $(Right::$name => $word),* }
            }

            /// What it allows, in plain words.
            pub fn words(self) -> &'static str {
                match self { $(Right::$name => $words),* }
            }
        }
    };
}

rights! {
    ViewCanvases = "view-canvases", "See canvases, their numbers, audiences, queues, batches and alerts.";
    EditCanvases = "edit-canvases", "Keep drafts and subscribe to alerts.";
    PublishCanvases = "publish-canvases", "Publish, pause, stop and cap canvases, and let people enter.";
    ViewSegments = "view-segments", "See segments and lists.";
    EditSegments = "edit-segments", "Change segments and lists.";
    Activate = "activate", "Send a segment to an audience.";
    ExportIdentities = "export-identities", "Decide that identifiers of people go to a partner: beside the right to publish or activate it.";
    ViewProfiles = "view-profiles", "Find people and see their way, identifiers masked.";
    EditProfiles = "edit-profiles", "Import people and events, and erase people.";
    SeeIdentities = "see-identities", "See identifiers of people unmasked.";
    Operate = "operate", "Hold and resume queues, send again, refill, take back and rebind audiences.";
    ViewConnections = "view-connections", "See connections and check them.";
    ManageConnections = "manage-connections", "Change connections.";
    InstallConnectors = "install-connectors", "Bring components of connectors.";
    GrantConnectors = "grant-connectors", "Allow connectors what they ask for, upgrade and roll them back, and set the policy.";
    ManageMembers = "manage-members", "Change members and keys.";
    Audit = "audit", "Read the audit chain.";
    BackUp = "back-up", "Take a copy of the whole store: everybody's identities, and all that is sealed.";
    SendEvents = "send-events", "Send events to the tracking API: what a write key may.";
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Right {
    type Err = String;

    fn from_str(text: &str) -> Result<Right, String> {
        Right::ALL.iter().copied().find(|right| right.word() == text).ok_or_else(|| {
            let known: Vec<&str> = Right::ALL.iter().map(|right| right.word()).collect();
            format!("there is no right `{text}`; the rights are {}", known.join(", "))
        })
    }
}

/// A ready set of rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Looks, and changes nothing; people stay masked.
    Viewer,
    /// Draws journeys and segments, publishes and activates them.
    Designer,
    /// Keeps connections, connectors and queues running.
    Operator,
    /// Everything.
    Admin,
}

impl Role {
    /// All roles, the smallest first.
    pub const ALL: &'static [Role] = &[Role::Viewer, Role::Designer, Role::Operator, Role::Admin];

    /// The word that people write.
    pub fn word(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Designer => "designer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }

    /// Its rights.
    pub fn rights(self) -> Rights {
        use Right as R;
        let looks = [R::ViewCanvases, R::ViewSegments, R::ViewProfiles, R::ViewConnections];
        let more: &[Right] = match self {
            Role::Viewer => &[],
            Role::Designer => &[R::EditCanvases, R::PublishCanvases, R::EditSegments, R::Activate, R::ExportIdentities],
            Role::Operator => &[
                R::EditCanvases,
                R::Operate,
                R::ExportIdentities,
                R::ManageConnections,
                R::InstallConnectors,
                R::Audit,
            ],
            Role::Admin => Right::ALL,
        };
        Rights(looks.iter().chain(more).copied().collect())
    }
}

/// A set of rights, read and written as a list of words; a role's word stands for all of its rights.
///
/// ```
/// use caravan_model::{Right, Rights};
/// let rights: Rights = "viewer,activate".parse().unwrap();
/// assert!(rights.has(Right::Activate) && rights.has(Right::ViewCanvases) && !rights.has(Right::Audit));
/// assert!("boss".parse::<Rights>().is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Rights(BTreeSet<Right>);

impl Rights {
    /// From single rights.
    pub fn of(rights: impl IntoIterator<Item = Right>) -> Rights {
        Rights(rights.into_iter().collect())
    }

    /// Whether one of them is this.
    pub fn has(&self, right: Right) -> bool {
        self.0.contains(&right)
    }

    /// Whether all of another set are among them.
    pub fn cover(&self, other: &Rights) -> bool {
        other.0.is_subset(&self.0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = Right> + '_ {
        self.0.iter().copied()
    }

    /// The largest role that they are exactly; else the words.
    pub fn in_words(&self) -> String {
        match Role::ALL.iter().find(|role| role.rights() == *self) {
            Some(role) => role.word().to_owned(),
            None => self.0.iter().map(|right| right.word()).collect::<Vec<_>>().join(","),
        }
    }
}

impl FromStr for Rights {
    type Err = String;

    fn from_str(text: &str) -> Result<Rights, String> {
        let mut rights = Rights::default();
        for word in text.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty()) {
            match Role::ALL.iter().find(|role| role.word() == word) {
                Some(role) => rights.0.extend(role.rights().0),
                None => {
                    let one = word.parse::<Right>().map_err(|words| format!("{words}, and the roles {ROLES}"))?;
                    rights.0.insert(one);
                }
            }
        }
        match rights.is_empty() {
            true => Err(format!("no right is named; a role is {ROLES}")),
            false => Ok(rights),
        }
    }
}

const ROLES: &str = "viewer, designer, operator, admin";

/// Someone who signs in. The id is the e-mail address, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The e-mail address, which is their id.
    pub email: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What they may do.
    pub rights: Rights,
    /// The password's hash in PHC form; without one they sign in by link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Since when.
    pub since: Millis,
}

/// A machine's key: only its digest is kept, which is its document's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub rights: Rights,
    /// Since when.
    pub since: Millis,
    /// Who made it.
    pub by: String,
}

/// A member who is signed in, or a link that signs one in once; the document's id is the digest of its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pass {
    /// The member's e-mail address.
    pub member: String,
    /// Until when it is good.
    pub until: Millis,
}

/// Whether a text can be a member's e-mail address: one `@` between two parts, no space, at most 254 characters.
pub fn is_member_address(text: &str) -> bool {
    let parts = text.split_once('@');
    text.len() <= 254
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
        && parts.is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_written_as_words_and_roles() {
        let rights: Rights = "view-canvases, audit".parse().unwrap();
        assert_eq!(rights, Rights::of([Right::Audit, Right::ViewCanvases]));
        assert_eq!(serde_json::to_string(&rights).unwrap(), r#"["view-canvases","audit"]"#);
        assert_eq!(rights.in_words(), "view-canvases,audit");
        for role in Role::ALL {
            assert_eq!(role.word().parse::<Rights>().unwrap().in_words(), role.word());
        }
        assert!("".parse::<Rights>().is_err());
        assert!("view-canvas".parse::<Rights>().unwrap_err().contains("view-canvases"));
        for right in Right::ALL {
            assert_eq!(right.word().parse::<Right>(), Ok(*right));
            assert_eq!(serde_json::to_value(right).unwrap(), right.word());
        }
    }

    #[test]
    fn a_role_covers_those_below_it_and_only_an_admin_manages_members() {
        let [viewer, designer, operator, admin] = [0, 1, 2, 3].map(|at| Role::ALL[at].rights());
        assert!(designer.cover(&viewer) && operator.cover(&viewer) && admin.cover(&designer) && admin.cover(&operator));
        assert!(!viewer.cover(&designer) && !designer.has(Right::SeeIdentities));
        assert!(!viewer.has(Right::ExportIdentities) && designer.has(Right::ExportIdentities));
        assert!(admin.has(Right::ManageMembers) && !operator.has(Right::ManageMembers));
        assert!(!operator.has(Right::GrantConnectors), "who brings a component does not grant it");
    }

    #[test]
    fn addresses_of_members_are_addresses() {
        assert!(is_member_address("ann@acme.example"));
        for wrong in ["ann", "@acme.example", "ann@acme", "a nn@acme.example", "a@b@c.example", ""] {
            assert!(!is_member_address(wrong), "{wrong}");
        }
    }
}
