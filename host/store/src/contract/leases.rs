//! Who may write: leases of slots, fenced by epochs.
use caravan_model::Slot;

/// A set of the 256 slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slots([u64; 4]);

impl Slots {
    /// All of them.
    pub const ALL: Slots = Slots([u64::MAX; 4]);

    /// None.
    pub const NONE: Slots = Slots([0; 4]);

    /// With one more.
    pub fn with(mut self, slot: Slot) -> Slots {
        self.0[usize::from(slot.0) / 64] |= 1 << (slot.0 % 64);
        self
    }

    /// Whether it holds one.
    pub fn holds(&self, slot: Slot) -> bool {
        self.0[usize::from(slot.0) / 64] & 1 << (slot.0 % 64) != 0
    }

    /// How many there are.
    pub fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Slots::NONE
    }
}

/// A lease on slots, fenced by its epoch. SQLite has one owner for all 256; PostgreSQL leases them singly, and a call
/// there checks the epoch of every slot that it names in its own transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Grows with every new lease.
    pub epoch: i64,
    /// The slots that it is for.
    pub slots: Slots,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_slots_holds_what_it_was_given() {
        let slots = Slots::NONE.with(Slot(0)).with(Slot(255)).with(Slot(0));
        assert_eq!((slots.len(), slots.is_empty()), (2, false));
        assert!(slots.holds(Slot(255)) && !slots.holds(Slot(64)));
        assert_eq!(Slots::ALL.len(), 256);
    }
}
