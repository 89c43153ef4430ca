//! `batch_data` of a mapping, read in one pass without a document tree, since ten thousand people come at a time.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// One id of one person, or a gap.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    pub(super) id: Option<Cow<'a, str>>,
    /// Place of its audiences in [`Slots::lists`].
    pub(super) audiences: Option<usize>,
}

/// All slots, where each person's end, and the different lists of audiences, of which there is nearly always one.
#[derive(Debug, Default)]
pub(super) struct Slots<'a> {
    slots: Vec<Slot<'a>>,
    ends: Vec<usize>,
    pub(super) lists: Vec<Vec<String>>,
    scratch: Vec<String>,
}

impl<'a> Slots<'a> {
    /// Number of people.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The people in order, each a list of slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[Slot<'a>]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.slots[start..*end])
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Slots<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Slots<'a>, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Slots<'de>;
            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("a list of people")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Slots<'de>, A::Error> {
                let mut slots = Slots::default();
                while list.next_element_seed(Person(&mut slots))?.is_some() {
                    slots.ends.push(slots.slots.len());
                }
                Ok(slots)
            }
        }
        deserializer.deserialize_seq(All)
    }
}

struct Person<'r, 'a>(&'r mut Slots<'a>);

impl<'de: 'a, 'a> DeserializeSeed<'de> for Person<'_, 'a> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Person<'_, 'a> {
    type Value = ();
    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a list of ids of one person")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(OneSlot(self.0))?.is_some() {}
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Id,
    AudienceIds,
    #[serde(other)]
    Other,
}

struct OneSlot<'r, 'a>(&'r mut Slots<'a>);

impl<'de: 'a, 'a> DeserializeSeed<'de> for OneSlot<'_, 'a> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for OneSlot<'_, 'a> {
    type Value = ();
    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an object with id and audience_ids, or an empty one")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut id = None;
        let mut audiences = None;
        while let Some(field) = map.next_key::<Field>()? {
            match field {
                Field::Id => id = Some(map.next_value_seed(Text)?),
                Field::AudienceIds => {
                    map.next_value_seed(AudienceList(&mut self.0.scratch))?;
                    audiences = Some(place(&mut self.0.lists, &self.0.scratch));
                }
                Field::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        self.0.slots.push(Slot { id, audiences });
        Ok(())
    }
}

fn place(lists: &mut Vec<Vec<String>>, list: &[String]) -> usize {
    match lists.iter().rposition(|known| known == list) {
        Some(place) => place,
        None => {
            lists.push(list.to_vec());
            lists.len() - 1
        }
    }
}

/// Refills the list, using the strings again that it holds.
struct AudienceList<'r>(&'r mut Vec<String>);

impl<'de> DeserializeSeed<'de> for AudienceList<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for AudienceList<'_> {
    type Value = ();
    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a list of audience ids")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut count = 0;
        while let Some(id) = list.next_element_seed(Text)? {
            match self.0.get_mut(count) {
                Some(known) if *known == id => {}
                Some(known) => *known = id.into_owned(),
                None => self.0.push(id.into_owned()),
            }
            count += 1;
        }
        self.0.truncate(count);
        Ok(())
    }
}

/// A string, borrowed where it can be. Ids are strings; a number is refused.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;
    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a string")
    }
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_string()))
    }
}
