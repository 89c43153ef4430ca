//! The contract on SQLite: each call handed to the writer or to a reader.
use crate::contract::*;
use crate::sqlite::Sqlite;
use crate::writer::Tx;
use crate::{
    audiences, audit, backup, calling, catalogue, claims, components, counters, documents, entries, events, follow_ups,
    groups, holds, imports, inbox, keeping, lanes, membership, merging, moved, moving, notes, owed, owner, parts,
    people, positions, quotas, settlement, slices, trace, versions,
};
use caravan_model::{
    Canvas, Digest, Duration, Event, Group, LaneId, Millis, PartId, Profile, ProfileId, Reason, Status, StepIx,
    VersionId,
};
use std::sync::Arc;

/// Calls that only read, in a line each: what is asked, what that is called where it fails, and the room that answers.
macro_rules! reads {
    ($(fn $name:ident($($arg:ident: $of:ty),*) -> $gives:ty: $doing:literal, $work:expr;)*) => {
        $(async fn $name(&self, $($arg: $of),*) -> Result<$gives> {
            self.read($doing, $work).await
        })*
    };
}

impl Store for Sqlite {
    reads! {
        fn versions() -> Vec<Version>: "read canvases", versions::all;
        fn audiences() -> Vec<Audience>: "read audiences", audiences::all;
        fn named(names: Vec<String>) -> Vec<Option<ProfileId>>:
            "read who has a name", move |db| people::all_named(db, &names);
        fn strangers(pairs: Vec<SamePerson>) -> Vec<SamePerson>:
            "read who is who", move |db| merging::strangers(db, pairs);
        fn merges() -> Merges: "count merges", merging::counts;
        fn events(profiles: Vec<ProfileId>, names: Vec<String>) -> Vec<Vec<Event>>:
            "read events", move |db| events::of_all(db, &profiles, &names);
        fn due(now: Millis, limit: usize, with_people: bool) -> Vec<Due>:
            "read what is due", move |db| positions::due(db, now, limit, with_people);
        fn resting(profiles: Vec<ProfileId>) -> Vec<Due>:
            "read where people rest", move |db| positions::resting(db, &profiles);
        fn room(version: VersionId, caps: Caps, day: Millis) -> EntryRoom:
            "read what caps let in", move |db| entries::room(db, version, caps, day);
        fn newest_entries(version: VersionId, profiles: Vec<ProfileId>) -> Vec<NewestEntry>:
            "read who entered", move |db| entries::newest(db, version, &profiles);
        fn inside(version: VersionId, after: ProfileId, limit: usize) -> Vec<ProfileId>:
            "read who is inside", move |db| entries::inside(db, version, after, limit);
        fn next_timer() -> Option<Millis>: "read the next timer", positions::next_timer;
        fn still_called(calls: Vec<Uncalled>) -> Vec<bool>:
            "look at calls again", move |db| calling::still(db, &calls);
        fn lanes() -> Vec<Lane>: "read queues", lanes::all;
        fn owing(now: Millis, limit: usize) -> Vec<Owing>: "read what is owed", move |db| owed::owing(db, now, limit);
        fn inbox(limit: usize) -> Vec<Inbound>: "read the inbox", move |db| inbox::oldest(db, limit);
        fn backlog() -> Backlog: "read the inbox", inbox::backlog;
        fn receipts(profile: Option<ProfileId>, limit: usize) -> Vec<Receipt>:
            "read receipts", move |db| owed::receipts(db, profile, limit);
        fn erased(names: Vec<String>) -> Vec<Option<Millis>>: "read who was erased", move |db| owed::erased(db, &names);
        fn catalogue(most: usize) -> Catalogue: "look at what is observed", move |db| catalogue::of(db, most);
        fn refused_removals() -> Vec<RefusedRemovals>: "read receipts", owed::refused;
        fn members(lane: LaneId, after: ProfileId, limit: usize) -> Vec<(ProfileId, Membership)>:
            "read members", move |db| membership::page(db, lane, after, limit);
        fn group_members(group: Group, after: ProfileId, limit: usize) -> Vec<(ProfileId, Millis)>:
            "read who is in a group", move |db| groups::members(db, &group, after, limit);
        fn groups_of(profiles: Vec<ProfileId>) -> Vec<Vec<Group>>:
            "read the groups of people", move |db| groups::of(db, &profiles);
        fn group_sizes() -> Vec<(Group, u64)>: "count groups", groups::sizes;
        fn restless(limit: usize) -> Vec<Restless>: "read who changed", move |db| groups::restless(db, limit);
        fn everyone(after: ProfileId, limit: usize) -> Vec<Known>:
            "read people", move |db| groups::everyone(db, after, limit);
        fn people(profiles: Vec<ProfileId>) -> Vec<Known>: "read people", move |db| groups::known(db, profiles);
        fn imported(import: String, after: Option<Digest>, limit: usize) -> ImportView:
            "read an import", move |db| imports::view(db, &import, after, limit);
        fn holds() -> Vec<Hold>: "read holds", holds::all;
        fn charges(now: Millis) -> Vec<Charge>: "read quotas", move |db| quotas::charges(db, now);
        fn follow_ups(now: Millis, limit: usize) -> Vec<FollowUp>:
            "read what is judged later", move |db| follow_ups::due(db, now, limit);
        fn documents(kind: DocumentKind) -> Vec<(String, String)>: "read documents", move |db| documents::all(db, kind);
        fn component(digest: Digest) -> Option<Vec<u8>>: "read a connector", move |db| components::bytes(db, digest);
        fn components() -> Vec<ComponentRecord>: "read connectors", components::all;
        fn notes(after: u64, limit: usize) -> Vec<Noted>:
            "read the audit chain", move |db| notes::after(db, after, limit);
        fn newest_note() -> Option<(u64, String)>: "read the audit chain", notes::newest;
        fn integrity() -> Vec<String>: "check the store", backup::integrity;
        fn peek(lane: LaneId, limit: usize) -> Vec<Queued>: "read a queue", move |db| lanes::peek(db, lane, limit);
        fn open_slice(lane: LaneId) -> Option<Slice>: "read a batch", move |db| slices::open(db, lane);
        fn recheck(part: PartId) -> Vec<Queued>: "look at a batch again", move |db| settlement::recheck(db, part);
        fn counters(version: VersionId) -> Counters: "read counters", move |db| counters::of(db, version);
        fn history(version: VersionId, from: Millis, to: Millis) -> Vec<Quarter>:
            "read the history", move |db| counters::history(db, version, from, to);
        fn audit() -> Vec<String>: "audit", audit::audit;
        fn trace(profile: ProfileId) -> Option<Trace>: "trace a person", move |db| trace::of(db, profile);
        fn parts(lane: Option<LaneId>, limit: usize) -> Vec<PartRecord>:
            "read batches", move |db| parts::newest(db, lane, limit);
    }

    async fn lease(&self, host: &str, wanted: Slots, now: Millis) -> Result<Lease> {
        let host = host.to_owned();
        self.write_unfenced("take the lease", move |tx| owner::lease(tx, &host, &wanted, now)).await
    }

    async fn renew(&self, lease: Lease, now: Millis) -> Result<()> {
        self.write(lease, "renew the lease", move |tx| owner::renew(tx, now)).await
    }

    async fn release(&self, lease: Lease) -> Result<()> {
        self.write(lease, "give the lease back", owner::release).await
    }

    async fn publish(&self, by: impl Under, canvas: Canvas, now: Millis) -> Result<Version> {
        let Warrant { lease, note } = by.into();
        self.stir(lease, "publish a canvas", move |tx| {
            let (version, is_new) = versions::publish(tx, canvas, now)?;
            let note = note.filter(|_| is_new).map(|note| note.with("version", version.number));
            notes::append(tx.db, note.as_slice())?;
            Ok(version)
        })
        .await
    }

    async fn audience(&self, name: &str) -> Result<Option<Audience>> {
        let name = name.to_owned();
        self.read("read an audience", move |db| audiences::named(db, &name)).await
    }

    async fn bind(&self, by: impl Under, audience: Audience) -> Result<()> {
        self.write(by, "register an audience", move |tx| audiences::bind(tx.db, &audience)).await
    }

    async fn name_audience(
        &self,
        lease: Lease,
        key: LaneKey,
        id: String,
        parts: Vec<(String, String)>,
    ) -> Result<bool> {
        self.write(lease, "give an audience its id", move |tx| audiences::name(tx, &key, &id, &parts)).await
    }

    async fn lane(&self, lease: Lease, lane: LaneSpec) -> Result<(LaneId, u32)> {
        self.write(lease, "open a queue", move |tx| lanes::open(tx, &lane)).await
    }

    async fn upsert(&self, by: impl Under, people: Vec<Profile>, now: Millis) -> Result<Vec<Known>> {
        let workspace = Arc::clone(&self.shared.workspace);
        self.write(by, "take people in", move |tx| {
            tx.books.hear(now);
            people::upsert(tx, &workspace, people)
        })
        .await
    }

    async fn merge(&self, lease: Lease, pairs: Vec<SamePerson>, again: usize, now: Millis) -> Result<Vec<Merged>> {
        self.stir(lease, "merge people", move |tx| merging::merge(tx, pairs, again, now)).await
    }

    async fn record(
        &self,
        lease: Lease,
        events: Vec<(String, Option<String>, Event)>,
        now: Millis,
    ) -> Result<Vec<ProfileId>> {
        let workspace = Arc::clone(&self.shared.workspace);
        self.write(lease, "record events", move |tx| events::record(tx, &workspace, events, now)).await
    }

    async fn intake(&self, version: VersionId, source: &str) -> Result<(u64, u64)> {
        let source = source.to_owned();
        self.read("read what was taken in", move |db| entries::intake(db, version, &source)).await
    }

    async fn enter(&self, lease: Lease, batch: EnterBatch) -> Result<Entered> {
        self.stir(lease, "let people in", move |tx| entries::enter(tx, batch)).await
    }

    async fn advance(&self, lease: Lease, moves: Vec<Advance>, seen: CanvasesSeen, now: Millis) -> Result<u64> {
        self.stir(lease, "move people on", move |tx| positions::advance(tx, &moves, &seen, now)).await
    }

    async fn move_entries(&self, lease: Lease, wanted: MoveEntries) -> Result<Moved> {
        self.stir(lease, "move people to another version", move |tx| moved::entries(tx, &wanted)).await
    }

    async fn signal_exit(
        &self,
        by: impl Under,
        version: VersionId,
        profiles: Vec<ProfileId>,
        reason: Reason,
        now: Millis,
    ) -> Result<u64> {
        self.stir(by, "let people out", move |tx| entries::signal_exit(tx, version, &profiles, &reason, now)).await
    }

    async fn calls(&self, steps: Vec<(VersionId, StepIx)>, now: Millis, limit: usize) -> Result<Vec<Calling>> {
        self.read("read what is to be called", move |db| calling::due(db, &steps, now, limit)).await
    }

    async fn postpone(&self, lease: Lease, calls: Vec<Postponed>, now: Millis) -> Result<u64> {
        self.write(lease, "put calls off", move |tx| calling::postpone(tx, &calls, now)).await
    }

    async fn set_lane(&self, by: impl Under, lane: LaneId, state: LaneState) -> Result<()> {
        self.stir(by, "change a queue", move |tx| lanes::set_state(tx, lane, state)).await
    }

    async fn offer(&self, lease: Lease, offers: Vec<Offer>, settles: Vec<ProfileId>, now: Millis) -> Result<u64> {
        self.stir(lease, "queue operations", move |tx| owed::offer(tx, &offers, &settles, now)).await
    }

    async fn resend(&self, by: impl Under, resend: Resend) -> Result<Resent> {
        self.stir(by, "send visits again", move |tx| follow_ups::resend(tx, &resend)).await
    }

    async fn move_operations(
        &self,
        by: impl Under,
        from: LaneId,
        to: LaneId,
        steps: Vec<(VersionId, StepIx)>,
        now: Millis,
    ) -> Result<u64> {
        self.stir(by, "move a queue", move |tx| moving::operations(tx, from, to, &steps, now)).await
    }

    async fn give_up(&self, by: impl Under, lane: LaneId, now: Millis) -> Result<u64> {
        self.stir(by, "give up a queue", move |tx| moving::give_up(tx, lane, now)).await
    }

    async fn erase(&self, by: impl Under, profiles: Vec<ProfileId>, now: Millis) -> Result<()> {
        self.stir(by, "erase people", move |tx| owed::erase(tx, &profiles, now)).await
    }

    async fn receive(&self, by: impl Under, messages: Vec<(Option<String>, String)>, now: Millis) -> Result<u64> {
        let Warrant { lease, note } = by.into();
        self.stir(lease, "take messages in", move |tx| {
            let new = inbox::receive(tx, &messages, now)?;
            notes::append(tx.db, note.filter(|_| new > 0).as_slice())?;
            Ok(new)
        })
        .await
    }

    async fn work_off(
        &self,
        lease: Lease,
        upto: u64,
        events: Vec<(String, Option<String>, Event)>,
        now: Millis,
    ) -> Result<u64> {
        let workspace = Arc::clone(&self.shared.workspace);
        self.stir(lease, "work messages off", move |tx| inbox::work_off(tx, &workspace, upto, events, now)).await
    }

    async fn erased_at(&self, identifier: &str) -> Result<Option<Millis>> {
        let identifier = identifier.to_owned();
        self.read("read when someone was erased", move |db| owed::erased_at(db, &identifier)).await
    }

    async fn receipts_of(&self, external_id: &str) -> Result<Vec<Receipt>> {
        let external_id = external_id.to_owned();
        self.read("read receipts", move |db| owed::receipts_of(db, &external_id)).await
    }

    async fn take_back(
        &self,
        by: impl Under,
        lane: LaneId,
        claims: Vec<(VersionId, StepIx)>,
        after: ProfileId,
        limit: usize,
        now: Millis,
    ) -> Result<Walked> {
        self.stir(by, "take people back", move |tx| claims::take_back(tx, lane, &claims, after, limit, now)).await
    }

    async fn end_claims(&self, lease: Lease, now: Millis, limit: usize) -> Result<u64> {
        self.stir_some(lease, "end claims", move |tx| claims::end_claims(tx, now, limit)).await
    }

    async fn renew_members(&self, lease: Lease, lane: LaneId, age: Duration, now: Millis) -> Result<u64> {
        self.stir_some(lease, "renew members", move |tx| claims::renew(tx, lane, age, now)).await
    }

    async fn refill(&self, by: impl Under, refill: Refill) -> Result<Walked> {
        self.stir(by, "refill an audience", move |tx| claims::refill(tx, refill)).await
    }

    async fn regroup(
        &self,
        lease: Lease,
        changes: Vec<Regroup>,
        told: bool,
        looked: Vec<Restless>,
        now: Millis,
    ) -> Result<u64> {
        self.stir(lease, "regroup people", move |tx| groups::regroup(tx, changes, told, &looked, now)).await
    }

    async fn disband(&self, by: impl Under, group: Group) -> Result<()> {
        self.write(by, "forget a group", move |tx| groups::disband(tx.db, &group)).await
    }

    async fn import(&self, by: impl Under, step: ImportStep, now: Millis) -> Result<Imported> {
        let workspace = Arc::clone(&self.shared.workspace);
        self.stir_documents(by, "import members", move |tx| imports::step(tx, &workspace, step, now)).await
    }

    async fn hold(&self, by: impl Under, hold: Hold) -> Result<()> {
        self.stir(by, "hold", move |tx| holds::hold(tx, hold)).await
    }

    async fn lift(&self, by: impl Under, scope: HoldScope, now: Millis) -> Result<bool> {
        let Warrant { lease, note } = by.into();
        self.stir(lease, "end a hold", move |tx| {
            let is_lifted = holds::lift(tx, &scope, now)?;
            notes::append(tx.db, note.filter(|_| is_lifted).as_slice())?;
            Ok(is_lifted)
        })
        .await
    }

    async fn correct(&self, lease: Lease, correction: Correction) -> Result<u64> {
        self.stir(lease, "correct visits", move |tx| follow_ups::correct(tx, correction)).await
    }

    fn documents_written(&self) -> Option<u64> {
        self.writes_of_documents()
    }

    async fn put_documents(
        &self,
        by: impl Under,
        documents: Vec<(DocumentKind, String, Option<String>)>,
    ) -> Result<()> {
        self.stir_documents(by, "write documents", move |tx| documents::put(tx, &documents)).await
    }

    async fn swap_sealed(
        &self,
        id: String,
        was: Option<String>,
        becomes: Option<String>,
        note: Option<Note>,
    ) -> Result<bool> {
        self.write_documents(None, "seal a secret", move |tx| {
            let is_swapped = documents::swap_sealed(tx.db, &id, &was, &becomes)?;
            notes::append(tx.db, note.filter(|_| is_swapped).as_slice())?;
            Ok(is_swapped)
        })
        .await
    }

    async fn keep_component(
        &self,
        lease: Lease,
        name: String,
        version: String,
        bytes: Vec<u8>,
        now: Millis,
    ) -> Result<Digest> {
        self.write(lease, "keep a connector", move |tx| components::keep(tx, &name, &version, &bytes, now)).await
    }

    async fn drop_component(&self, lease: Lease, digest: Digest) -> Result<bool> {
        self.write(lease, "forget a connector", move |tx| components::drop(tx.db, digest)).await
    }

    async fn note(
        &self,
        lease: Lease,
        documents: Vec<(DocumentKind, String, Option<String>)>,
        notes: Vec<Note>,
    ) -> Result<()> {
        let is_change = !documents.is_empty();
        let work = move |tx: &mut Tx<'_>| {
            documents::put(tx, &documents)?;
            notes::append(tx.db, &notes)
        };
        // A document may make work, as where it is written without a note.
        match is_change {
            true => self.stir_documents(lease, "keep a note", work).await,
            false => self.write_documents(Some(lease.into()), "keep a note", work).await,
        }
    }

    async fn prune(&self, by: impl Under, before: Millis) -> Result<u64> {
        self.write(by, "forget exchanges", move |tx| documents::prune(tx.db, before)).await
    }

    async fn drop_events(&self, lease: Lease, sweep: Sweep) -> Result<Swept> {
        self.write(lease, "drop old events", move |tx| keeping::drop_events(tx, &sweep)).await
    }

    async fn fold_visits(&self, lease: Lease, sweep: Sweep) -> Result<Swept> {
        self.write(lease, "fold old visits", move |tx| keeping::fold_visits(tx, &sweep)).await
    }

    async fn space(&self) -> Result<Space> {
        backup::space(self.shared.path.clone()).await
    }

    async fn backup(&self, to: std::path::PathBuf) -> Result<BackedUp> {
        backup::make(self.shared.path.clone(), to).await
    }

    async fn seal(&self, lease: Lease, sealing: Sealing) -> Result<Option<Slice>> {
        self.stir(lease, "seal a batch", move |tx| slices::seal(tx, sealing)).await
    }

    async fn attempt(
        &self,
        lease: Lease,
        part: PartId,
        deadline: Millis,
        charges: Vec<Charge>,
        now: Millis,
    ) -> Result<u32> {
        self.write(lease, "record an attempt", move |tx| settlement::attempt(tx, part, deadline, &charges, now)).await
    }

    async fn settle(&self, lease: Lease, settlement: Settlement) -> Result<()> {
        self.stir(lease, "settle a batch", move |tx| settlement::settle(tx, settlement)).await
    }

    async fn find(&self, identifier: &str) -> Result<Vec<ProfileId>> {
        let identifier = identifier.to_owned();
        self.read("find a person", move |db| people::find(db, &identifier)).await
    }

    async fn visits(
        &self,
        version: VersionId,
        step: StepIx,
        status: Status,
        reason: Option<String>,
        limit: usize,
    ) -> Result<Vec<(String, caravan_model::VisitId, Reason)>> {
        self.read("read visits", move |db| counters::visits(db, (version, step), status, reason.as_deref(), limit))
            .await
    }

    async fn part(&self, name: &str) -> Result<Option<PartRecord>> {
        let name = name.to_owned();
        self.read("read a batch", move |db| parts::named(db, &name)).await
    }

    async fn changed(&self) {
        self.hear_of_changes().await;
    }
}
