//! One pass of an import: whom nobody knew is looked for again, then the source is read to its end.
use super::{ImportTrouble, ListImport, imports_of, regulated, rows};
use crate::error::written;
use crate::shared::Shared;
use caravan_model::port::{Answer, Ask, CallContext, MemberPage, Members};
use caravan_model::{Code, Duration, Fault, Millis};
use caravan_store::{ImportStep, Imported, Store, TakeMembers};
use std::sync::Arc;

/// Unlinked members that one transaction looks for again.
const LOOKED_FOR: usize = 5_000;
/// How long after a failure the source is asked again, at first; each time twice as long, up to the import's period.
const AGAIN: Duration = Duration::SECOND.times(5);

/// Works on all imports that are due; gives how many people joined or left lists, and when the next one is due.
pub(crate) async fn run<S: Store>(shared: Arc<Shared<S>>) -> crate::Result<(u64, Millis)> {
    let imports = imports_of(&shared.store).await?;
    if imports.is_empty() {
        return Ok((0, Millis::NEVER));
    }
    let (mut changed, mut next) = (0, Millis::NEVER);
    let is_regulated = crate::policy_of(&shared.store).await?.regulated_health;
    for (id, _) in imports {
        // Read anew each time: somebody may have changed or ended it meanwhile.
        while let Some((_, mut import)) = imports_of(&shared.store).await?.into_iter().find(|(known, _)| *known == id) {
            if import.state.due > shared.now() || shared.is_stopping() {
                next = next.min(import.state.due);
                break;
            }
            changed += match is_regulated {
                true => {
                    let problem = regulated();
                    fail(&shared, &id, &mut import, problem.code.as_str(), problem.to_string(), None).await?
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

/// Asks the source once; gives how many people joined or left.
async fn work<S: Store>(shared: &Shared<S>, id: &str, import: &mut ListImport) -> crate::Result<u64> {
    let mut changed = 0;
    if import.state.began.is_none() {
        changed += relink(shared, id, import).await?;
        (import.state.began, import.state.rows) = (Some(shared.now()), 0);
    }
    let plug = match shared.plug(&import.connection).await? {
        Ok(plug) => plug,
        Err(problem) => {
            return fail(shared, id, import, problem.code.as_str(), problem.to_string(), None)
                .await
                .map(|n| n + changed);
        }
    };
    let context = CallContext {
        at: shared.now(),
        seed: format!("import-{id}-{}", import.state.cursor.as_deref().unwrap_or_default()),
        deadline: shared.options.call_deadline,
        record_bodies: false,
    };
    let ask = Ask::Members { target: import.target(plug.connector.settings()), cursor: import.state.cursor.clone() };
    let answer = plug.connector.call(context, ask).await.answer;
    match answer {
        Ok(Answer::Members(MemberPage::Pending { cursor, after_ms })) => {
            import.state.cursor = Some(cursor);
            import.state.trouble = None;
            import.state.due = shared.now().after(Duration(after_ms));
            keep(shared, id, import).await?;
        }
        Ok(Answer::Members(MemberPage::Page(page))) => changed += take(shared, id, import, &page).await?,
        Ok(_) => {
            let words = "the connector answered another question than it was asked".to_owned();
            changed += fail(shared, id, import, Code::Internal.as_str(), words, None).await?;
        }
        Err(fault) => {
            let words = fault.cause().map_or_else(|| "the source gives no reason".to_owned(), ToString::to_string);
            let code = fault.cause().map_or_else(String::new, |cause| cause.code.clone());
            let after = match &fault {
                Fault::Throttled { after_ms, .. }
                | Fault::Unavailable { after_ms, .. }
                | Fault::Preparing { after_ms, .. } => *after_ms,
                _ => None,
            };
            changed += fail(shared, id, import, &code, words, after).await?;
        }
    }
    Ok(changed)
}

async fn take<S: Store>(shared: &Shared<S>, id: &str, import: &mut ListImport, page: &Members) -> crate::Result<u64> {
    let now = shared.now();
    let mut after = import.clone();
    let state = &mut after.state;
    if !state.reading && page.full {
        state.round += 1;
    }
    state.cursor.clone_from(&page.next);
    state.rows += u64::from(page.rows);
    (state.reading, state.trouble) = (page.more, None);
    if !page.more {
        let began = state.began.take().unwrap_or(now);
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
    });
    let Imported { joined, left, .. } = shared.store.import(shared.lease, step, now).await?;
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
    code: &str,
    words: String,
    after_ms: Option<u64>,
) -> crate::Result<u64> {
    let now = shared.now();
    let before = import.state.trouble.take();
    let tries = before.as_ref().map_or(0, |trouble| trouble.tries) + 1;
    let since = before.map_or(now, |trouble| trouble.since);
    let own = Duration(AGAIN.0.saturating_mul(1 << (tries - 1).min(20))).min(import.every.max(AGAIN));
    import.state.due = now.after(after_ms.map_or(own, |ms| Duration(ms.max(1_000))));
    import.state.trouble = Some(ImportTrouble { code: code.to_owned(), words, since, tries });
    keep(shared, id, import).await?;
    Ok(0)
}

async fn keep<S: Store>(shared: &Shared<S>, id: &str, import: &ListImport) -> crate::Result<()> {
    let step = ImportStep::Note { import: id.to_owned(), document: written(import)? };
    shared.store.import(shared.lease, step, shared.now()).await?;
    Ok(())
}
