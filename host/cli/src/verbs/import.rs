//! `caravan list import | imports | end-import | unlinked`: external audiences that are imported into lists.
use crate::args::{Global, ImportArgs};
use crate::ask;
use crate::fail::End;
use crate::host::hands::{Hands, actor};
use crate::host::ready::Ready;
use crate::{out, stores, verbs};
use caravan_model::{Code, Group, Problem};
use caravan_runner::control::Labs;
use caravan_runner::{FULL_EVERY, ImportState, ListImport, import_lines, imports_of};
use caravan_store::{Sqlite, Store};
use serde_json::json;

/// Keeps an import; a serving host carries it out.
pub async fn import(global: &Global, args: &ImportArgs) -> anyhow::Result<End> {
    let store = Sqlite::open(stores::of_workspace(global)?, stores::options(global))?;
    let source = args.source();
    let ready = Ready::with(store, &args.connections, &[], Some(&source), args.lab.as_deref()).await?;
    let import = ListImport {
        list: args.list.clone(),
        connection: source.clone(),
        folder: args.folder.clone().unwrap_or_default(),
        audience: args.audience.clone().unwrap_or_default(),
        every: args.every,
        full_every: Some(args.full_every.unwrap_or(FULL_EVERY.max(args.every))),
        leavers: args.leavers,
        state: ImportState::default(),
    };
    let details = json!({"connection": source, "folder": import.folder, "audience": import.audience});
    let kept = async {
        let mut order =
            ready.runner.acting(actor()).order("list.import", &format!("list {}", args.list), details).await?;
        ready.runner.set_import_under(&mut order, import, args.create).await
    }
    .await;
    ready.close().await?;
    let id = kept?;
    let what = if args.from_files.is_some() { "what is handed over" } else { "the audience" };
    let words =
        format!("{what} is imported into {} as {id}; a serving host does it, every {}\n", args.list, args.every);
    out::say(global, &json!({"list": args.list, "import": id}), &words)
}

/// Says how the imports of a list stand.
pub async fn imports(global: &Global, list: &str) -> anyhow::Result<End> {
    let store = verbs::look(global)?;
    let lines = import_lines(&store, list).await?;
    let (mut words, labs) = (String::new(), Labs::of(&store).await?);
    for line in &lines {
        let state = &line.what.state;
        let unlinked: u64 = line.unlinked.iter().map(|(_, n)| n).sum();
        let what = &line.what;
        let source = match what.is_of_files() {
            true if what.audience.is_empty() => what.connection.clone(),
            true => format!("{} from {}", what.audience, what.connection),
            false => format!("{} from {} / {}", what.audience, labs.badged(&what.connection), what.folder),
        };
        let leavers = if what.leavers { ", leavers too" } else { "" };
        words.push_str(&format!("{}  {source}, every {}{leavers}\n", line.import, what.every));
        let progress = match (state.filled, state.began) {
            (None, _) => format!("first load: {} read so far", out::count(state.rows)),
            (Some(_), Some(_)) => format!("looks at what changed: {} read so far", out::count(state.rows)),
            (Some(_), None) => "in step".to_owned(),
        };
        if let Some(since) = state.pending {
            words.push_str(&format!("  the source has been preparing an export since {}\n", out::instant(since)));
        }
        words.push_str(&format!("  {progress}; {} linked, {} not\n", out::count(line.linked), out::count(unlinked)));
        for (why, n) in &line.unlinked {
            words.push_str(&format!("    {} {}\n", out::count(*n), why.words()));
        }
        if what.is_of_files() {
            let files = out::plural(state.files, "file", "files");
            let broken = out::plural(state.broken, "row", "rows");
            words.push_str(&format!("  {files} read to the end; {broken} cannot be read\n"));
            for row in &state.wrong {
                words.push_str(&format!("    {} line {}: {}\n", row.file, row.line, row.why));
            }
        }
        if let Some(trouble) = &state.trouble {
            // The partner's own words end with its code.
            let code = format!("({})", trouble.code);
            let code = if trouble.words.ends_with(&code) { String::new() } else { format!(" {code}") };
            words.push_str(&format!("  stands still: {}{code}\n", trouble.words));
        }
    }
    if lines.is_empty() {
        words = format!("nothing is imported into {list}\n");
    }
    let needs = lines.iter().any(|line| line.what.state.trouble.is_some());
    out::say(global, &json!(lines), &words)?;
    Ok(if needs { End::NeedsYou } else { End::Done })
}

/// Ends an import.
pub async fn end(global: &Global, list: &str, import: &str) -> anyhow::Result<End> {
    ask::confirm(global, &format!("this ends an import into the list {list}; who is on it stays"))?;
    Hands::with(global, None, async |hands| {
        let details = json!({"import": import});
        let mut order = hands.acting().order("list.end-import", &format!("list {list}"), details).await?;
        if !hands.runner().end_import_under(&mut order, list, import).await? {
            let words = format!("the list {list} has no import `{import}`");
            return Err(Problem::new(Code::NotFound, words).cure("`caravan list imports LIST` shows them").into());
        }
        out::say(global, &json!({"ended": import}), &format!("{import} has ended\n"))
    })
    .await
}

/// Names members whom nobody here is.
pub async fn unlinked(global: &Global, list: &str, limit: usize) -> anyhow::Result<End> {
    let store = verbs::look(global)?;
    let (mut rows, mut words) = (Vec::new(), String::new());
    for (import, _) in imports_of(&store).await?.into_iter().filter(|(_, what)| what.list == list) {
        let left = limit.saturating_sub(rows.len());
        for member in store.imported(import.clone(), None, left).await?.page {
            let who = &member.who;
            let all = [&who.external_id].into_iter().chain(&who.aliases).chain(&who.emails).chain(&who.phones);
            let ids: Vec<&str> = all.map(String::as_str).filter(|id| !id.is_empty()).collect();
            let shown = if ids.is_empty() { "(no identifier)".to_owned() } else { ids.join(", ") };
            words.push_str(&format!("{shown}  {}\n", member.why.words()));
            rows.push(json!({"import": import, "identifiers": ids, "why": member.why, "words": member.why.words(),
                "since": member.since}));
        }
    }
    if rows.is_empty() {
        words = format!("everyone who was imported into {} is known\n", Group::list(list).name);
    }
    out::say(global, &json!(rows), &words)
}
