//! Which partners an installation may use: free ones, and those that a bought slot was given to.
use crate::{Code, Policy, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many partners one purchase brings.
pub const SLOTS_PER_PURCHASE: usize = 3;

/// `entitlements: { purchases: 1, slots: [tiktok, pinterest, snapchat] }`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Entitlements {
    /// Connectors that cost no slot, by the names in their manifests.
    pub free: Vec<String>,
    /// How often three slots were bought for this installation.
    pub purchases: u32,
    /// The connectors that slots were given to.
    pub slots: Vec<String>,
}

impl Default for Entitlements {
    fn default() -> Entitlements {
        Entitlements { free: ["google", "meta"].map(str::to_owned).to_vec(), purchases: 0, slots: Vec::new() }
    }
}

/// Why a connector may not be used, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unentitled {
    /// Why, with how many slots are used and by whom.
    pub words: String,
    /// What gives it a slot.
    pub cure: String,
}

impl Entitlements {
    /// How many slots were bought.
    pub fn bought(&self) -> usize {
        usize::try_from(self.purchases).unwrap_or(usize::MAX).saturating_mul(SLOTS_PER_PURCHASE)
    }

    /// The connectors whose slots count: those beyond what was bought have none, whatever a policy says.
    pub fn used(&self) -> &[String] {
        &self.slots[..self.slots.len().min(self.bought())]
    }

    /// How many slots are left.
    pub fn left(&self) -> usize {
        self.bought() - self.used().len()
    }

    /// Whether a connector is free or has a slot.
    pub fn allows(&self, connector: &str) -> bool {
        self.free.iter().chain(self.used()).any(|entitled| entitled == connector)
    }

    /// How many slots are used, and by whom: `3 of 3 slots are used: by pinterest, snapchat and tiktok`.
    pub fn in_words(&self) -> String {
        let (used, bought) = (self.used(), self.bought());
        if bought == 0 {
            return "no slots were bought".to_owned();
        }
        match used.split_last() {
            None => format!("none of {bought} slots is used"),
            Some((only, [])) => format!("1 of {bought} slots is used: by {only}"),
            Some((last, rest)) => {
                format!("{} of {bought} slots are used: by {} and {last}", used.len(), rest.join(", "))
            }
        }
    }

    /// What gives a connector a slot.
    pub fn cure(&self, connector: &str) -> String {
        match self.left() {
            0 => format!(
                "take a slot from another partner (`caravan entitlement remove NAME`; its queues then wait) or buy three \
                 more (`caravan entitlement purchases {}`), then `caravan entitlement add {connector}`",
                self.purchases.saturating_add(1)
            ),
            _ => format!("give it a slot: `caravan entitlement add {connector}`"),
        }
    }
}

/// A change of entitlements, as somebody asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotChange {
    /// A slot is given to a connector.
    Add(String),
    /// A connector's slot is taken away.
    Remove(String),
    /// How often three slots were bought.
    Purchases(u32),
}

impl SlotChange {
    /// The verb under which the audit chain notes it.
    pub fn verb(&self) -> &'static str {
        match self {
            SlotChange::Add(_) => "entitlement.add",
            SlotChange::Remove(_) => "entitlement.remove",
            SlotChange::Purchases(_) => "entitlement.purchases",
        }
    }

    /// What is changed: the connector, or the number of purchases.
    pub fn object(&self) -> String {
        match self {
            SlotChange::Add(connector) | SlotChange::Remove(connector) => format!("connector {connector}"),
            SlotChange::Purchases(purchases) => format!("purchases {purchases}"),
        }
    }

    /// The entitlements after it; `before` is `None` where nothing said until now who is entitled.
    ///
    /// # Errors
    /// CV058: there is no slot left, or none to take away.
    pub fn applied(&self, before: Option<&Entitlements>) -> Result<Entitlements, Problem> {
        let refused = |words: String, cure: String| Err(Problem::new(Code::NoSlot, words).cure(cure));
        let mut after = before.cloned().unwrap_or_default();
        match self {
            SlotChange::Purchases(purchases) => {
                after.purchases = *purchases;
                if after.slots.len() > after.bought() {
                    let words = format!(
                        "{} partners have a slot, and {purchases} purchases are {} slots",
                        after.slots.len(),
                        after.bought()
                    );
                    return refused(words, "take slots away first: `caravan entitlement remove NAME`".to_owned());
                }
            }
            SlotChange::Add(connector) if !is_connector_name(connector) => {
                let words = format!("`{connector}` is no name of a connector");
                return refused(words, "`caravan connector list` names them".to_owned());
            }
            SlotChange::Add(connector) if after.allows(connector) => {
                let words = format!("`{connector}` is free, or has a slot already");
                return refused(words, "`caravan entitlement list` shows all of them".to_owned());
            }
            SlotChange::Add(connector) if after.left() == 0 => {
                let words = format!("there is no slot left for `{connector}`: {}", after.in_words());
                return refused(words, after.cure(connector));
            }
            SlotChange::Add(connector) => after.slots.push(connector.clone()),
            SlotChange::Remove(connector) => {
                let before = after.slots.len();
                after.slots.retain(|slot| slot != connector);
                if after.slots.len() == before {
                    let words = format!("`{connector}` has no slot; {}", after.in_words());
                    return refused(words, "`caravan entitlement list` shows who has one".to_owned());
                }
            }
        }
        Ok(after)
    }
}

/// Whether a word can be the name in a connector's manifest.
fn is_connector_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_lowercase())
        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

impl Policy {
    /// Why a connector may not be used, and what to do; `None` where it may. A connector that only reads into lists is no
    /// destination: whoever asks leaves it out.
    ///
    /// ```
    /// use caravan_model::{Policy, policy::Entitlements};
    /// let mut policy = Policy::default();
    /// assert!(policy.refuses("tiktok").is_none());
    /// policy.entitlements = Some(Entitlements { purchases: 1, slots: vec!["criteo".into()], ..Entitlements::default() });
    /// assert!(policy.refuses("meta").is_none() && policy.refuses("criteo").is_none());
    /// let refused = policy.refuses("tiktok").unwrap();
    /// assert_eq!(refused.words, "`tiktok` is not among the free partners and has no slot; 1 of 3 slots is used: by criteo");
    /// assert_eq!(refused.cure, "give it a slot: `caravan entitlement add tiktok`");
    /// ```
    pub fn refuses(&self, connector: &str) -> Option<Unentitled> {
        let entitlements = self.entitlements.as_ref()?;
        (!entitlements.allows(connector)).then(|| Unentitled {
            words: format!("`{connector}` is not among the free partners and has no slot; {}", entitlements.in_words()),
            cure: entitlements.cure(connector),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(steps: &[SlotChange]) -> Result<Entitlements, Problem> {
        steps
            .iter()
            .try_fold(None, |known: Option<Entitlements>, step| step.applied(known.as_ref()).map(Some))
            .map(Option::unwrap_or_default)
    }

    #[test]
    fn slots_are_given_up_to_three_for_each_purchase_and_taken_away() {
        let add = |name: &str| SlotChange::Add(name.to_owned());
        let three = [SlotChange::Purchases(1), add("tiktok"), add("pinterest"), add("snapchat")];
        let full = all(&three).unwrap();
        assert_eq!(
            (full.left(), full.in_words().as_str()),
            (0, "3 of 3 slots are used: by tiktok, pinterest and snapchat")
        );
        let none = add("criteo").applied(Some(&full)).unwrap_err();
        assert_eq!(none.code, Code::NoSlot);
        assert!(
            none.message.contains("3 of 3 slots") && none.cure.as_deref().unwrap().contains("purchases 2"),
            "{none}"
        );
        let taken = SlotChange::Remove("pinterest".into()).applied(Some(&full)).unwrap();
        let swapped = add("criteo").applied(Some(&taken)).unwrap();
        assert!(swapped.allows("criteo") && swapped.allows("meta") && !swapped.allows("pinterest"));
        assert!(SlotChange::Remove("pinterest".into()).applied(Some(&swapped)).is_err());
        assert!(SlotChange::Purchases(0).applied(Some(&swapped)).is_err(), "slots are taken away by name");
        assert!(add("meta").applied(Some(&full)).is_err() && add("No name").applied(None).is_err());
        assert!(add("tiktok").applied(None).unwrap_err().message.contains("no slots were bought"));
    }
}
