//! The members of a TikTok audience: one set of ids per id type. TikTok keeps no rows: which ids belong to one
//! person is forgotten as soon as they are taken.

use crate::values::ValueTable;

/// Ids of one type.
#[derive(Debug)]
struct Kind {
    name: &'static str,
    values: ValueTable,
    /// By value: whether it stands.
    stands: Vec<bool>,
    count: usize,
}

/// Sets of ids by id type.
#[derive(Debug, Default)]
pub(crate) struct IdSets {
    kinds: Vec<Kind>,
}

impl IdSets {
    /// Number of standing ids of all types.
    pub(crate) fn len(&self) -> usize {
        self.kinds.iter().map(|kind| kind.count).sum()
    }

    /// Adds one id. False if it stood already.
    pub(crate) fn add(&mut self, name: &'static str, id: &str) -> bool {
        let place = match self.kinds.iter().position(|kind| kind.name == name) {
            Some(place) => place,
            None => {
                self.kinds.push(Kind { name, values: ValueTable::default(), stands: Vec::new(), count: 0 });
                self.kinds.len() - 1
            }
        };
        let kind = &mut self.kinds[place];
        let value = kind.values.intern(id) as usize;
        if kind.stands.len() <= value {
            kind.stands.resize(value + 1, false);
        }
        let new = !std::mem::replace(&mut kind.stands[value], true);
        kind.count += usize::from(new);
        new
    }

    /// Removes one id. False if it did not stand.
    pub(crate) fn remove(&mut self, name: &str, id: &str) -> bool {
        let Some(kind) = self.kinds.iter_mut().find(|kind| kind.name == name) else { return false };
        let Some(value) = kind.values.find(id) else { return false };
        let stood = std::mem::replace(&mut kind.stands[value as usize], false);
        kind.count -= usize::from(stood);
        stood
    }

    /// Whether an id stands.
    pub(crate) fn contains(&self, name: &str, id: &str) -> bool {
        self.kinds
            .iter()
            .find(|kind| kind.name == name)
            .is_some_and(|kind| kind.values.find(id).is_some_and(|value| kind.stands[value as usize]))
    }

    /// Removes all ids.
    pub(crate) fn clear(&mut self) {
        self.kinds.clear();
    }

    /// The standing ids of each type that has any, sorted, types in alphabetical order.
    pub(crate) fn keys(&self) -> Vec<(&'static str, Vec<String>)> {
        let mut keys: Vec<_> = self
            .kinds
            .iter()
            .filter(|kind| kind.count > 0)
            .map(|kind| {
                let standing = (0..).zip(&kind.stands).filter(|(_, stands)| **stands);
                let mut values: Vec<String> = standing.map(|(value, _)| kind.values.text(value)).collect();
                values.sort_unstable();
                (kind.name, values)
            })
            .collect();
        keys.sort_unstable();
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_sets_by_type() {
        let mut sets = IdSets::default();
        assert!(sets.add("EMAIL_SHA256", "e1"));
        assert!(!sets.add("EMAIL_SHA256", "e1"));
        assert!(sets.add("PHONE_SHA256", "e1"));
        assert_eq!(sets.len(), 2);
        assert!(sets.remove("EMAIL_SHA256", "e1"));
        assert!(!sets.remove("EMAIL_SHA256", "e1"));
        assert!(!sets.contains("EMAIL_SHA256", "e1"));
        assert_eq!(sets.keys(), [("PHONE_SHA256", vec!["e1".to_string()])]);
    }
}
