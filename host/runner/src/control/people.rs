//! People without a canvas: imported, and erased.
use super::order::Order;
use crate::runner::Runner;
use caravan_model::status::reason;
use caravan_model::{Profile, ProfileId, Reason};
use caravan_store::Store;

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// People merged in.
    pub people: u64,
    /// People in the store who are owed removals that nobody has queued yet, as far as they were counted.
    pub owing: u64,
}

/// What an erasure did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Entries that ended with it.
    pub entries: u64,
    /// Removals that it owes: audiences that hold these people, or may.
    pub owed: u64,
}

/// The most people who are owed something that an answer counts.
const COUNTED: usize = 100_000;

impl<S: Store> Runner<S> {
    /// Merges people in, a chunk a transaction. Whoever withdraws consent with it is owed removals from that transaction
    /// on.
    ///
    /// # Errors
    /// What the store says; chunks before it are kept.
    pub async fn import_profiles(&self, people: impl IntoIterator<Item = Profile>) -> crate::Result<Imported> {
        self.import_profiles_under(&mut self.unordered().await?, people).await
    }

    /// The same by somebody's order.
    ///
    /// # Errors
    /// As [`Runner::import_profiles`].
    pub async fn import_profiles_under(
        &self,
        order: &mut Order,
        people: impl IntoIterator<Item = Profile>,
    ) -> crate::Result<Imported> {
        let mut people = people.into_iter();
        let mut imported = Imported::default();
        loop {
            let chunk: Vec<Profile> = people.by_ref().take(self.options.chunk.max(1)).collect();
            if chunk.is_empty() {
                break;
            }
            imported.people += chunk.len() as u64;
            self.store.upsert(order.warrant(), chunk, self.clock.now()).await?;
        }
        imported.owing = self.store.owing(self.clock.now(), COUNTED).await?.len() as u64;
        Ok(imported)
    }

    /// Whether removals are owed to anyone now, queued or not: also those of an import or erasure that was cut short.
    ///
    /// # Errors
    /// What the store says.
    pub async fn owes(&self) -> crate::Result<bool> {
        let is_queued = self.store.lanes().await?.iter().any(|lane| lane.owed > 0);
        Ok(is_queued || !self.store.owing(self.clock.now(), 1).await?.is_empty())
    }

    /// Erases people: their entries end, what is known of them goes, and removals from every audience that may hold them
    /// are owed, with receipts. What was sent of them is kept until those are done.
    ///
    /// # Errors
    /// What the store says.
    pub async fn erase(&self, people: &[ProfileId]) -> crate::Result<Erased> {
        self.erase_under(&mut self.unordered().await?, people).await
    }

    pub(super) async fn erase_under(&self, order: &mut Order, people: &[ProfileId]) -> crate::Result<Erased> {
        let mut erased = Erased::default();
        for chunk in people.chunks(self.options.chunk.max(1)) {
            // Entries first: a call that was cut short between the two is said again.
            for version in self.store.versions().await? {
                let why = Reason::new(reason::ERASED, "the profile was erased");
                let now = self.clock.now();
                erased.entries += self.store.signal_exit(order.warrant(), version.id, chunk.to_vec(), why, now).await?;
            }
            self.store.erase(order.warrant(), chunk.to_vec(), self.clock.now()).await?;
        }
        let owing = self.store.owing(self.clock.now(), COUNTED).await?;
        let own = owing.iter().filter(|owing| people.contains(&owing.profile));
        erased.owed = own.map(|owing| owing.lanes.len() as u64).sum();
        Ok(erased)
    }
}
