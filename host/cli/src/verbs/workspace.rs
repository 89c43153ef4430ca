//! `caravan workspace list | create`: the workspaces of the configuration.
use crate::args::{CreateArgs, Global, WorkspaceVerb};
use crate::config::{self, WorkspaceConfig};
use crate::fail::{End, usage};
use crate::host::hands::Hands;
use crate::{files, out};
use caravan_model::{Code, Problem};
use caravan_store::Sqlite;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Does a verb of workspaces.
pub async fn workspace(global: &Global, verb: WorkspaceVerb) -> anyhow::Result<End> {
    match verb {
        WorkspaceVerb::List => list(global),
        WorkspaceVerb::Create(args) => create(global, &args).await,
    }
}

fn list(global: &Global) -> anyhow::Result<End> {
    let all = &config::current().workspaces;
    let shown = |path: &Path| path.display().to_string();
    let by = |own: &WorkspaceConfig| Sqlite::owner_of(&own.store);
    if global.json {
        let value = |(name, own): (&String, &WorkspaceConfig)| {
            json!({"workspace": name, "store": shown(&own.store), "connections": shown(&own.connections),
                "zone": own.zone, "served_by": by(own)})
        };
        out::print_json(&all.iter().map(value).collect::<Vec<_>>())?;
    } else if all.is_empty() {
        out::print("there is no configuration: one workspace, `default`, in the store that a command names")?;
    } else {
        let row = |(name, own): (&String, &WorkspaceConfig)| {
            let (zone, by) = (own.zone.clone().unwrap_or_else(|| "UTC".to_owned()), by(own).unwrap_or_default());
            vec![name.clone(), shown(&own.store), shown(&own.connections), zone, by]
        };
        let rows: Vec<Vec<String>> = all.iter().map(row).collect();
        out::print(&out::table(&["WORKSPACE", "STORE", "CONNECTIONS", "ZONE", "SERVED BY"], &rows))?;
    }
    Ok(End::Done)
}

async fn create(global: &Global, args: &CreateArgs) -> anyhow::Result<End> {
    let file = global.config.clone().unwrap_or_else(|| PathBuf::from(config::FILE));
    if config::current().workspaces.contains_key(&args.name) {
        let words = format!("the workspace `{}` is there already", args.name);
        return Err(usage(words, "`caravan workspace list` shows all").into());
    }
    if !caravan_model::is_group_name(&args.name) {
        let words = format!("`{}` is no name of a workspace", args.name);
        return Err(usage(words, "it has lower case letters, digits, `-` and `_`").into());
    }
    let before = match file.exists() {
        true => files::text(&file)?,
        false => "# What this host is: docs/ARCHITECTURE.md shows all that may stand here.\n".to_owned(),
    };
    let store = args.file.clone().unwrap_or_else(|| PathBuf::from(format!("{}.caravan", args.name)));
    // A text of JSON is one of TOML, too.
    let quoted = |text: &str| Value::from(text).to_string();
    let mut section = format!("\n[workspaces.{}]\nstore = {}\n", args.name, quoted(&store.display().to_string()));
    if let Some(connections) = &args.connections {
        section.push_str(&format!("connections = {}\n", quoted(&connections.display().to_string())));
    }
    if let Some(zone) = &args.zone {
        section.push_str(&format!("zone = {}\n", quoted(zone)));
    }
    let unwritable = |error: std::io::Error| {
        Problem::new(Code::UnreadableFile, format!("the configuration cannot be written: {error}"))
            .in_file(file.display().to_string())
    };
    let folder = files::folder(&file);
    let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
    // Read as it would be before it takes the file's place.
    let mut draft = tempfile::NamedTempFile::new_in(&folder).map_err(unwritable)?;
    draft.write_all(format!("{before}{section}").as_bytes()).map_err(unwritable)?;
    let own = config::read(draft.path()).map_err(|problem| problem.in_file(file.display().to_string()))?;
    let own = own.workspaces.get(&args.name).cloned();
    let own = own.ok_or_else(|| usage("the workspace's name cannot stand in a configuration", "choose another one"))?;
    let place = Global { store: Some(own.store.display().to_string()), workspace: args.name.clone(), ..global.clone() };
    // The store first: a workspace that is configured has one. One that is there and another's is refused.
    Hands::making(&place, None, async |hands| {
        Ok(hands.acting().note("workspace.create", &format!("workspace {}", args.name), json!({})).await?)
    })
    .await?;
    if file.exists() {
        let kept = std::fs::metadata(&file).map_err(unwritable)?.permissions();
        draft.as_file().set_permissions(kept).map_err(unwritable)?;
    }
    draft.persist(&file).map_err(|error| unwritable(error.error))?;
    let (store, file) = (own.store.display().to_string(), file.display().to_string());
    let words =
        format!("{} stands in {file}, with the store {store}; a host serves it from its next start on\n", args.name);
    out::say(global, &json!({"workspace": args.name, "store": store, "configuration": file}), &words)
}
