//! Where entries rest, and how they move: positions, the guard of open entries, and the walk along moves.
use crate::books::{Books, VersionFacts};
use crate::contract::{Move, Origin};
use crate::fail::{Done, Fail};
use crate::groups;
use crate::ledger::Ledger;
use crate::people;
use crate::records::Operation;
use crate::schema::key;
use caravan_model::{EntryId, Millis, ProfileId, Reason, Status, StepIx, VersionId, VisitId};
use rusqlite::{CachedStatement, Connection, OptionalExtension};

/// An arrival's due time: before every other, so always due.
pub(crate) const ARRIVAL: Millis = Millis(0);

/// An entry on the move.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walker {
    /// Which.
    pub(crate) entry: EntryId,
    /// Its version.
    pub(crate) version: VersionId,
    /// What the books know of that.
    pub(crate) facts: VersionFacts,
    /// Whose.
    pub(crate) profile: ProfileId,
}

/// Writes where entries rest, with statements that are prepared once per call.
pub(crate) struct Rests<'a> {
    db: &'a Connection,
    insert: CachedStatement<'a>,
    call: CachedStatement<'a>,
    end: CachedStatement<'a>,
    open: CachedStatement<'a>,
}

impl<'a> Rests<'a> {
    /// Prepares.
    pub(crate) fn new(db: &'a Connection) -> Done<Rests<'a>> {
        Ok(Rests {
            db,
            insert: db.prepare_cached("INSERT INTO position VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?,
            call: db.prepare_cached("INSERT INTO calling VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, 0, 0)")?,
            end: db.prepare_cached("UPDATE guard SET open = 0 WHERE key = ?1 AND entry = ?2 AND open = 1")?,
            open: db.prepare_cached("SELECT open FROM guard WHERE key = ?1 AND entry = ?2")?,
        })
    }

    fn wait(&mut self, who: Walker, ordinal: u32, step: StepIx, due: Millis, arrives: bool) -> Done<()> {
        let row = (who.entry.0, due.0, ordinal, who.version.0, step.0, who.profile.0, arrives);
        self.insert.execute(row)?;
        Ok(())
    }

    /// Lets an entry arrive at a step: always due.
    pub(crate) fn arrive(&mut self, who: Walker, ordinal: u32, step: StepIx) -> Done<()> {
        self.wait(who, ordinal, step, ARRIVAL, true)
    }

    /// Ends an entry; false where it had ended.
    pub(crate) fn end(&mut self, who: Walker) -> Done<bool> {
        Ok(self.end.execute((key(who.facts.canvas, who.profile.0)?, who.entry.0))? == 1)
    }

    /// Whether an entry is open.
    pub(crate) fn is_open(&mut self, who: Walker) -> Done<bool> {
        let open = self.open.query_row((key(who.facts.canvas, who.profile.0)?, who.entry.0), |row| row.get(0));
        Ok(open.optional()?.unwrap_or(false))
    }

    /// Walks along moves, the first of which has this ordinal. True where the entry ends; who calls closes the guard.
    pub(crate) fn walk(
        &mut self,
        books: &mut Books,
        ledger: &mut Ledger,
        who: Walker,
        mut ordinal: u32,
        moves: &[Move],
    ) -> Done<bool> {
        let stray = |what: &str| Err(Fail::impossible(format!("the moves of profile {} {what}", who.profile)));
        for (at, step) in moves.iter().enumerate() {
            let last = at + 1 == moves.len();
            let visit = VisitId { entry: who.entry, ordinal };
            ordinal += 1;
            match step {
                Move::Visit { step, status, reason } => {
                    in_range(who, *step)?;
                    ledger.is_final((self.db, &mut *books), visit, (who.version, *step), *status, reason)?;
                    if last {
                        return stray("lead nowhere");
                    }
                }
                Move::Update { step, changes } => {
                    in_range(who, *step)?;
                    let passed = (Status::Passed, &Reason::none());
                    ledger.is_final((self.db, &mut *books), visit, (who.version, *step), passed.0, passed.1)?;
                    if people::change(self.db, who.profile, changes, ledger.now())? {
                        groups::stir(self.db, books, who.profile)?;
                    }
                    if last {
                        return stray("lead nowhere");
                    }
                }
                Move::Wait { step, due } => {
                    in_range(who, *step)?;
                    if !last {
                        return stray("go on after a wait");
                    }
                    self.wait(who, visit.ordinal, *step, *due, false)?;
                    ledger.waits(who.version, *step);
                    return Ok(false);
                }
                Move::Call { step, due } => {
                    in_range(who, *step)?;
                    if !last || !who.facts.calls {
                        return stray("call an endpoint and go on, or where none is called");
                    }
                    self.wait(who, visit.ordinal, *step, Millis::NEVER, false)?;
                    let (entry, version, step_at) = (who.entry.0, who.version.0, step.0);
                    self.call.execute((entry, visit.ordinal, version, step_at, due.0, ledger.now().0))?;
                    ledger.waits(who.version, *step);
                    return Ok(false);
                }
                Move::Arrive { step } => {
                    in_range(who, *step)?;
                    if !last {
                        return stray("go on after an arrival");
                    }
                    self.arrive(who, visit.ordinal, *step)?;
                    return Ok(false);
                }
                Move::Offer { step, lane, action, connection, parks } => {
                    in_range(who, *step)?;
                    let lane = books.stripe_of(*lane, who.profile)?;
                    if *connection >= books.connections {
                        return stray(&format!("name connection {connection}, which was never interned"));
                    }
                    if *parks != last {
                        return stray(if last { "lead nowhere" } else { "go on after parking" });
                    }
                    let operation = Operation {
                        seq: 0,
                        action: *action,
                        parks: *parks,
                        origin: Origin::Visit,
                        visit,
                        version: who.version,
                        step: *step,
                        connection: *connection,
                        profile: who.profile,
                        offered: Millis(0),
                    };
                    ledger.offer(lane, operation);
                    if last {
                        return Ok(false);
                    }
                }
                Move::End if last => return Ok(true),
                Move::End => return stray("go on after the end"),
            }
        }
        stray("are none")
    }
}

fn in_range(who: Walker, step: StepIx) -> Done<()> {
    if step.0 < who.facts.steps {
        Ok(())
    } else {
        Err(Fail::impossible(format!("version {} has no step at place {}", who.version, step.0)))
    }
}
