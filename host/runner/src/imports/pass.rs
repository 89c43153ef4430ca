//! One pass of an import: whom nobody knew is looked for again, then the source is read to its end.
use super::{ImportState, ImportTrouble, ListImport, NAMED, read, regulated, rows};
use crate::error::written;
use crate::shared::Shared;
use caravan_model::port::{Answer, Ask, CallContext, MemberPage, Members};
use caravan_model::{Code, Duration, Fault, Millis};
use caravan_store::{Charge, DocumentKind, ImportStep, Imported, Note, Store, TakeMembers, Warrant};
use std::sync::Arc;

/// Unlinked members that one transaction looks for again.
const LOOKED_FOR: usize = 5_000;
/// How long after a failure the source is asked again, at first; each time twice as long, up to the import's period.
const AGAIN: Duration = Duration::SECOND.times(5);
/// How long a source may prepare members before it is asked anew.
const ENDLESS: Duration = Duration::DAY;
/// After so many refusals in a row that no waiting mends, a pass begins anew.
const ANEW: u32 = 3;

impl ImportState {
    /// What the pass under way reads is given up: the next one begins where it began, but not when: what it finds is of its own
    /// time.
    fn begins_anew(&mut self) {
        self.cursor.clone_from(&self.from);
        (self.reading, self.began, self.pending) = (false, None, None);
    }
}

/// Works on all imports that are due; gives how many people joined or left lists, and when the next one is due.
pub(crate) async fn run<S: Store>(shared: Arc<Shared<S>>) -> crate::Result<(u64, Millis)> {
    let imports = known(&shared).await?;
    let (mut changed, mut next) = (0, Millis::NEVER);
    for (id, _) in imports {
        // Looked at anew each time: somebody may have changed or ended it meanwhile.
        loop {
            let Some((_, mut import)) = known(&shared).await?.into_iter().find(|(known, _)| *known == id) else {
                shared.withdraw_import(&id);
                break;
            };
            if import.state.due > shared.now() || shared.is_stopping() {
                next = next.min(import.state.due);
                break;
            }
            changed += match shared.policy().regulated_health {
                true => {
                    let problem = regulated();
                    let why =
                        Trouble { code: problem.code.as_str().to_owned(), words: problem.to_string(), after: None };
                    fail(&shared, &id, &mut import, why, Vec::new()).await?
                }
                false => work(&shared, &id, &mut import).await?,
            };
        }
    }
    if changed > 0 {
        shared.wake();
    }
    Ok((changed, next))
}

async fn known<S: Store>(shared: &Shared<S>) -> crate::Result<Vec<(String, ListImport)>> {
    read(&shared.documents(DocumentKind::ListImport).await?)
}

/// Why a pass cannot go on now.
struct Trouble {
    code: String,
    words: String,
    /// When the source wants to be asked again.
    after: Option<u64>,
}

/// Asks the source once; gives how many people joined or left.
async fn work<S: Store>(shared: &Shared<S>, id: &str, import: &mut ListImport) -> crate::Result<u64> {
    let mut changed = 0;
    if import.state.began.is_none() {
        changed += relink(shared, id, import).await?;
        (import.state.began, import.state.rows) = (Some(shared.now()), 0);
        if is_full_due(import, shared.now()) {
            import.state.cursor = None;
        }
        import.state.from.clone_from(&import.state.cursor);
    }
    let plug = match shared.plug(&import.connection).await? {
        Ok(plug) => plug,
        Err(problem) => {
            let why = Trouble { code: problem.code.as_str().to_owned(), words: problem.to_string(), after: None };
            return Ok(changed + fail(shared, id, import, why, Vec::new()).await?);
        }
    };
    // Paced like what is sent: by the quotas of the source's manifest, and by what it says itself.
    let mut pass = match shared.pass_of_import(id, import, &plug).await {
        Ok(pass) => pass,
        Err(paced) => {
            import.state.due = paced.until;
            keep(shared, id, import, Vec::new()).await?;
            return Ok(changed);
        }
    };
    let context = CallContext {
        at: shared.now(),
        seed: format!("import-{id}-{}", import.state.cursor.as_deref().unwrap_or_default()),
        deadline: shared.options.call_deadline,
        record_bodies: false,
    };
    let charges = pass.charges();
    let ask = Ask::Members { target: import.target(plug.connector.settings()), cursor: import.state.cursor.clone() };
    let outcome = plug.connector.call(context, ask).await;
    pass.ended(shared.now(), &outcome, 0);
    match outcome.answer {
        Ok(Answer::Members(MemberPage::Pending { cursor, after_ms })) => {
            let (now, state) = (shared.now(), &mut import.state);
            let since = *state.pending.get_or_insert(now);
            if now.since(since) > ENDLESS {
                let words = format!("the source has been preparing members for more than {ENDLESS}: it is asked anew");
                let why = Trouble { code: "export-endless".to_owned(), words, after: None };
                state.begins_anew();
                return Ok(changed + fail(shared, id, import, why, charges).await?);
            }
            state.cursor = Some(cursor);
            state.trouble = None;
            state.due = now.after(Duration(after_ms));
            keep(shared, id, import, charges).await?;
        }
        Ok(Answer::Members(MemberPage::Page(page))) => changed += take(shared, id, import, &page, charges).await?,
        Ok(_) => {
            let words = "the connector answered another question than it was asked".to_owned();
            let why = Trouble { code: Code::Internal.as_str().to_owned(), words, after: None };
            changed += fail(shared, id, import, why, charges).await?;
        }
        Err(fault) => changed += refused(shared, id, import, &fault, charges).await?,
    }
    Ok(changed)
}

/// Whether a pass that begins now reads everyone, whatever was told since.
fn is_full_due(import: &ListImport, now: Millis) -> bool {
    let last = import.state.full.or(import.state.filled);
    import.full_every.is_some_and(|every| last.is_some_and(|last| now >= last.after(every)))
}

/// The source said no. What does not end by waiting may be about what this pass reads, an export that failed or is gone: after
/// some tries the pass begins anew.
async fn refused<S: Store>(
    shared: &Shared<S>,
    id: &str,
    import: &mut ListImport,
    fault: &Fault,
    charges: Vec<Charge>,
) -> crate::Result<u64> {
    let words = fault.cause().map_or_else(|| "the source gives no reason".to_owned(), ToString::to_string);
    let code = fault.cause().map_or_else(String::new, |cause| cause.code.clone());
    let (is_of_pass, after) = match fault {
        Fault::Throttled { after_ms, .. } | Fault::Unavailable { after_ms, .. } | Fault::Preparing { after_ms, .. } => {
            (false, *after_ms)
        }
        Fault::Unauthorized { .. } | Fault::Forbidden { .. } | Fault::Stopped { .. } => (false, None),
        _ => (true, None),
    };
    let tries = import.state.trouble.as_ref().map_or(0, |trouble| trouble.tries) + 1;
    if is_of_pass && tries.is_multiple_of(ANEW) {
        import.state.begins_anew();
    }
    fail(shared, id, import, Trouble { code, words, after }, charges).await
}

async fn take<S: Store>(
    shared: &Shared<S>,
    id: &str,
    import: &mut ListImport,
    page: &Members,
    charges: Vec<Charge>,
) -> crate::Result<u64> {
    let now = shared.now();
    let mut after = import.clone();
    let state = &mut after.state;
    if !state.reading && page.full {
        state.round += 1;
    }
    state.cursor.clone_from(&page.next);
    state.rows += u64::from(page.rows);
    (state.reading, state.trouble, state.pending) = (page.more, None, None);
    if let Some(file) = &page.file {
        state.broken += file.broken_here;
        state.wrong.splice(0..0, file.wrong.iter().cloned());
        state.wrong.truncate(NAMED);
        state.files += u64::from(file.ended);
    }
    if !page.more {
        let began = state.began.take().unwrap_or(now);
        if page.full {
            state.full = Some(began);
        }
        state.due = began.after(after.every).max(now.after(Duration(1)));
        state.done = Some(now);
        state.filled = state.filled.or(Some(now));
    }
    let step = ImportStep::Take(TakeMembers {
        import: id.to_owned(),
        list: after.list.clone(),
        members: rows::people(page),
        round: after.state.round,
        leavers: after.leavers,
        ends: page.full && !page.more,
        document: written(&after)?,
        charges,
    });
    let note = page.file.as_ref().filter(|file| file.ended).map(|file| {
        let mut note = Note::new(now, "host", "list.import.file", format!("list {}", after.list));
        note.details = [
            ("import", id.into()),
            ("file", file.name.as_str().into()),
            ("digest", file.digest.to_string().into()),
            ("rows", file.rows.into()),
            ("broken", file.broken.into()),
        ]
        .map(|(name, value): (&str, serde_json::Value)| (name.to_owned(), value))
        .into_iter()
        .collect();
        note
    });
    let by = Warrant { lease: shared.lease, note };
    let Imported { joined, left, .. } = shared.store.import(by, step, now).await?;
    *import = after;
    Ok(joined + left)
}

/// Looks again for those whom nobody knew.
async fn relink<S: Store>(shared: &Shared<S>, id: &str, import: &ListImport) -> crate::Result<u64> {
    let (mut joined, mut after) = (0, None);
    loop {
        let (import, list) = (id.to_owned(), import.list.clone());
        let step = ImportStep::Relink { import, list, after, limit: LOOKED_FOR };
        let found = shared.store.import(shared.lease, step, shared.now()).await?;
        joined += found.joined;
        after = found.next;
        if after.is_none() || shared.is_stopping() {
            return Ok(joined);
        }
    }
}

/// Notes what keeps an import from going on, and when it is tried again.
async fn fail<S: Store>(
    shared: &Shared<S>,
    id: &str,
    import: &mut ListImport,
    why: Trouble,
    charges: Vec<Charge>,
) -> crate::Result<u64> {
    let now = shared.now();
    let before = import.state.trouble.take();
    let tries = before.as_ref().map_or(0, |trouble| trouble.tries) + 1;
    let since = before.map_or(now, |trouble| trouble.since);
    let own = Duration(AGAIN.0.saturating_mul(1 << (tries - 1).min(20))).min(import.every.max(AGAIN));
    import.state.due = now.after(why.after.map_or(own, |ms| Duration(ms.max(1_000))));
    import.state.trouble = Some(ImportTrouble { code: why.code, words: why.words, since, tries });
    keep(shared, id, import, charges).await?;
    Ok(0)
}

async fn keep<S: Store>(shared: &Shared<S>, id: &str, import: &ListImport, charges: Vec<Charge>) -> crate::Result<()> {
    let step = ImportStep::Note { import: id.to_owned(), document: written(import)?, charges };
    shared.store.import(shared.lease, step, shared.now()).await?;
    Ok(())
}
