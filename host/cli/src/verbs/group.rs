//! `caravan segment …` and `caravan list …`.
use crate::args::{Global, ListVerb, SegmentVerb};
use crate::fail::{End, Problems};
use crate::host::hands::Hands;
use crate::out::text_of;
use crate::rows::Rows;
use crate::verbs::{activate, import};
use crate::{ask, config, files, out, verbs};
use caravan_journey::document::Path as Place;
use caravan_journey::validate::too_far_back;
use caravan_journey::{document, segments};
use caravan_model::port::{Clock, SystemClock};
use caravan_model::{Code, Group, GroupKind, Problem, ProfileId, Segment};
use caravan_runner::control::{count_whoever, is_filled, lists_of};
use caravan_runner::{ExportMail, activations_of, policy_of, segments_of};
use caravan_store::Store;
use serde::Deserialize as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Does a verb of segments.
pub async fn segment(global: &Global, verb: SegmentVerb) -> anyhow::Result<End> {
    match verb {
        SegmentVerb::Set { segment } => set(global, &segment).await,
        SegmentVerb::List => list(global, GroupKind::Segment).await,
        SegmentVerb::Show { segment, members } => show(global, Group::segment(segment), members).await,
        SegmentVerb::Count { segment } => count(global, &segment).await,
        SegmentVerb::Activate(args) => activate::activate(global, &args).await,
        SegmentVerb::Remove { segment } => remove(global, Group::segment(segment)).await,
        SegmentVerb::Schema => {
            out::print_json(&document::segment_schema())?;
            Ok(End::Done)
        }
    }
}

/// Does a verb of lists.
pub async fn lists(global: &Global, verb: ListVerb) -> anyhow::Result<End> {
    match verb {
        ListVerb::Create { list } => {
            Hands::making(global, None, async |hands| {
                let is_new = hands.acting().create_list(&list).await?;
                let already = if is_new { "is made" } else { "was there already" };
                out::say(global, &json!({"list": list, "made": is_new}), &format!("list {list} {already}\n"))
            })
            .await
        }
        ListVerb::Add { list, users } => put(global, &list, &users, true).await,
        ListVerb::Take { list, users } => put(global, &list, &users, false).await,
        ListVerb::List => self::list(global, GroupKind::List).await,
        ListVerb::Show { list, members } => show(global, Group::list(list), members).await,
        ListVerb::Import(args) => import::import(global, &args).await,
        ListVerb::Imports { list } => import::imports(global, &list).await,
        ListVerb::EndImport { list, import } => import::end(global, &list, &import).await,
        ListVerb::Unlinked { list, limit } => import::unlinked(global, &list, limit).await,
        ListVerb::Remove { list } => remove(global, Group::list(list)).await,
    }
}

fn read(path: &Path) -> anyhow::Result<document::Document<Segment>> {
    let text = files::text(path)?;
    Ok(document::read_segment(&path.display().to_string(), &text)?)
}

async fn checked(store: &impl Store, document: &document::Document<Segment>) -> anyhow::Result<()> {
    let others: BTreeMap<_, _> =
        segments_of(store).await?.into_iter().map(|(name, segment)| (name, segment.who)).collect();
    let mut problems = segments::problems(document, &others, &lists_of(store).await?);
    let who = Place::root().key("who");
    problems.extend(too_far_back(document, &who, &document.value.who, &policy_of(store).await?));
    Ok(Problems::check(problems)?)
}

async fn set(global: &Global, path: &Path) -> anyhow::Result<End> {
    let document = read(path)?;
    Hands::making(global, None, async |hands| {
        checked(hands.store(), &document).await?;
        let segment = &document.value;
        hands.acting().set_segment(segment).await?;
        let words = format!("segment {} is kept; a serving host asks everyone its rule\n", segment.segment);
        out::say(global, &json!({"segment": segment.segment}), &words)
    })
    .await
}

async fn put(global: &Global, list: &str, files: &[PathBuf], joined: bool) -> anyhow::Result<End> {
    let open = Rows::open_all(files)?;
    Hands::with(global, None, async |hands| {
        let (mut changed, mut bad) = (0, 0);
        let details = json!({"files": files.len(), "joined": joined});
        let mut order = hands.acting().order("list.change", &format!("list {list}"), details).await?;
        for mut rows in open {
            changed += hands.runner().list_people_under(&mut order, list, &mut rows, joined).await?;
            bad += rows.finish()?;
        }
        let way = if joined { "put on" } else { "taken off" };
        let mut words = format!("{} {way} {list}", out::people(changed));
        if bad > 0 {
            words.push_str(&format!("; {} cannot be read", out::plural(bad, "row", "rows")));
        }
        out::say(global, &json!({"list": list, "changed": changed, "bad": bad}), &format!("{words}\n"))?;
        Ok(if bad > 0 { End::NeedsYou } else { End::Done })
    })
    .await
}

async fn list(global: &Global, kind: GroupKind) -> anyhow::Result<End> {
    let store = verbs::look(global)?;
    let names: Vec<String> = match kind {
        GroupKind::Segment => segments_of(&store).await?.into_keys().collect(),
        GroupKind::List => lists_of(&store).await?.into_iter().collect(),
    };
    let sizes: BTreeMap<Group, u64> = store.group_sizes().await?.into_iter().collect();
    let row = |name: String| {
        let members = sizes.get(&Group { kind, name: name.clone() }).copied().unwrap_or(0);
        json!({"name": name, "members": members})
    };
    tell_groups(global, kind, &names.into_iter().map(row).collect())
}

/// Tells of segments or lists, a line each, as data has them here and on a serving host.
///
/// # Errors
/// It cannot be written.
pub fn tell_groups(global: &Global, kind: GroupKind, rows: &Value) -> anyhow::Result<End> {
    let line = |row: &Value| {
        let (name, members) = (row["name"].as_str().unwrap_or_default(), row["members"].as_u64().unwrap_or_default());
        format!("{name}  {}\n", out::people(members))
    };
    let words: String = rows.as_array().into_iter().flatten().map(line).collect();
    match words.is_empty() {
        true => out::say(global, rows, &format!("there is no {} yet\n", kind.word())),
        false => out::say(global, rows, &words),
    }
}

async fn show(global: &Global, group: Group, members: usize) -> anyhow::Result<End> {
    let store = verbs::look(global)?;
    let segment = segments_of(&store).await?.remove(&group.name).filter(|_| group.kind == GroupKind::Segment);
    let there = segment.is_some() || (group.kind == GroupKind::List && lists_of(&store).await?.contains(&group.name));
    if !there {
        let words = format!("there is no {} `{}`", group.kind.word(), group.name);
        let cure = format!("`caravan {} list` shows what there is", group.kind.word());
        return Err(Problem::new(Code::UnknownGroup, words).cure(cure).into());
    }
    let sizes = store.group_sizes().await?;
    let n = sizes.iter().find(|(one, _)| *one == group).map_or(0, |(_, n)| *n);
    let page = store.group_members(group.clone(), ProfileId(0), members).await?;
    let known = store.people(page.iter().map(|(id, _)| *id).collect()).await?;
    let ids: Vec<&str> = known.iter().map(|known| known.profile.external_id.as_str()).collect();
    let filled = group.kind == GroupKind::List || is_filled(&store, &group.name).await?;
    let activations = match segment {
        Some(_) => activations_of(&store, &group.name, activate::mails()).await?,
        None => Vec::new(),
    };
    let data = json!({"kind": group.kind, "name": group.name, "members": n, "filled": filled, "rule": segment,
        "activations": activations, "ids": ids});
    out::say(global, &data, &group_in_words(&data)?)
}

/// A segment or list in words, as `segment show --json` has it.
///
/// # Errors
/// Its rule cannot be written.
pub fn group_in_words(group: &Value) -> anyhow::Result<String> {
    let n = group["members"].as_u64().unwrap_or_default();
    let mut words = format!("{} {}: {}", text_of(&group["kind"]), text_of(&group["name"]), out::people(n));
    if group["filled"] == false {
        words.push_str("; a serving host has not asked everyone its rule yet");
    }
    words.push('\n');
    if !group["rule"].is_null() {
        words.push_str(&serde_json::to_string_pretty(&group["rule"]["who"])?);
        words.push('\n');
    }
    for one in group["activations"].as_array().into_iter().flatten() {
        let mail: Option<ExportMail> = Option::deserialize(&one["mail"])?;
        let mail = mail.map(|mail| format!("; {}", mail.words())).unwrap_or_default();
        words.push_str(&format!("activated {} by {}{mail}\n", text_of(&one["mode"]), text_of(&one["canvas"])));
    }
    let ids = group["ids"].as_array().into_iter().flatten();
    ids.for_each(|id| words.push_str(&format!("  {}\n", text_of(id))));
    Ok(words)
}

async fn count(global: &Global, named: &str) -> anyhow::Result<End> {
    let store = verbs::look(global)?;
    let path = Path::new(named);
    let segment = match segments_of(&store).await?.remove(named) {
        Some(segment) => segment,
        None => {
            let document = read(path)?;
            checked(&store, &document).await?;
            document.value
        }
    };
    let zone = config::zone_of(store.workspace());
    let (fulfil, all) = count_whoever(&store, &segment.who, SystemClock.now(), &zone).await?;
    tell_count(global, &json!({"segment": segment.segment, "fulfil": fulfil, "people": all}))
}

/// Tells how many fulfil a rule.
///
/// # Errors
/// It cannot be written.
pub fn tell_count(global: &Global, counted: &Value) -> anyhow::Result<End> {
    let count = |name: &str| counted[name].as_u64().unwrap_or_default();
    let (fulfil, all, segment) = (count("fulfil"), count("people"), counted["segment"].as_str().unwrap_or_default());
    let words = format!("{} of {} fulfil {segment} now\n", out::count(fulfil), out::people(all));
    out::say(global, counted, &words)
}

async fn remove(global: &Global, group: Group) -> anyhow::Result<End> {
    ask::confirm(global, &format!("this forgets the {} {}", group.kind.word(), group.name))?;
    Hands::with(global, None, async |hands| {
        hands.acting().forget_group(&group).await?;
        let words = format!("{} {} is forgotten\n", group.kind.word(), group.name);
        out::say(global, &json!({"removed": group.name}), &words)
    })
    .await
}
