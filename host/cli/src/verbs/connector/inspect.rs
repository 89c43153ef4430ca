//! `caravan connector inspect`: a manifest in plain words.
use crate::out;
use crate::registry::takeover::Takeover;
use caravan_connectors::{GrantFile, Outline};
use caravan_model::manifest::{
    Flag, Hash, Manifest, MatchKey, QuotaCredential, QuotaScope, QuotaUnit, Route, SettingKind, World,
};

/// How many imports beyond the world are told.
const MOST_IMPORTS: usize = 20;

/// What a connector may send, to whom, and within which limits; what it would take over, and what it is allowed.
pub fn in_words(outline: &Outline, takeover: Option<&Takeover>, granted: Option<&GrantFile>) -> String {
    let Outline { manifest, digest, .. } = outline;
    let mut text = format!("{} ({} {})\n", manifest.title, manifest.name, manifest.version);
    let mut line = |label: &str, words: String| {
        if !words.is_empty() {
            text.push_str(&format!("  {label:<11}{words}\n"));
        }
    };
    line("digest", format!("sha256:{digest}"));
    line("publisher", manifest.publisher.name.clone());
    line("support", manifest.publisher.support.clone());
    line("docs", manifest.publisher.docs.clone());
    let world = match manifest.world {
        World::Destination => "writes people into audiences",
        World::Source => "reads members of audiences",
    };
    line("interface", format!("caravan:connector@{}, {world}", manifest.wit));
    if let Some(takeover) = takeover {
        section(&mut text, "Takes over a bundled name", takeover.lines(&manifest.name));
    }
    let mut twice = loud(outline);
    for route in &manifest.routes {
        let asks = format!("{} https://{}{}", route.method, route.host, route.path);
        twice.extend(open_ends(route).into_iter().map(|what| format!("! {asks}: {what}")));
    }
    section(&mut text, "Look twice", twice);
    section(&mut text, "May send", manifest.keys.iter().map(key).collect());
    section(&mut text, "Says with each person added", manifest.flags.iter().map(flag).collect());
    section(&mut text, "To", routes(manifest));
    section(&mut text, "Needs", needs(manifest));
    section(&mut text, "Limits", limits(manifest));
    if let Some(file) = granted {
        section(&mut text, "Allowed", allowed(file, manifest));
    }
    section(&mut text, "Audiences", audiences(manifest));
    section(&mut text, "Settings", manifest.settings.iter().map(setting).collect());
    text
}

/// What stands out. Imports come last and not all of them: who has thousands hides nothing else behind them.
fn loud(outline: &Outline) -> Vec<String> {
    let imports = outline.beyond_the_world().count();
    let all = outline.capabilities().into_iter().filter(|one| one.stands_out);
    let (imported, mut others): (Vec<_>, Vec<_>) = all.partition(|one| one.right.starts_with("import "));
    others.extend(imported.into_iter().take(MOST_IMPORTS));
    let mut lines: Vec<String> = others.into_iter().map(|one| format!("! it wants to {}", one.words)).collect();
    if imports > MOST_IMPORTS {
        lines.push(format!("! and to import {} more beyond the world", imports - MOST_IMPORTS));
    }
    lines
}

fn section(text: &mut String, title: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    text.push_str(&format!("\n{title}\n"));
    lines.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
}

fn key(key: &MatchKey) -> String {
    let form = match key.hash {
        Hash::None => "UNHASHED".to_owned(),
        Hash::Sha256Hex => "hashed (SHA-256)".to_owned(),
        Hash::Sha256Base64 => "hashed (SHA-256, base64)".to_owned(),
        Hash::Md5Hex => "hashed (MD5)".to_owned(),
        Hash::Sha256OfMd5 => "hashed (SHA-256 of MD5)".to_owned(),
    };
    let words: Vec<&str> = match key.sources.as_slice() {
        [] => vec!["what a connection maps to it"],
        sources => sources.iter().map(|source| source.name.as_str()).collect(),
    };
    let alone = if key.identifies { "" } else { ", only beside others" };
    format!("{} as {}, {form}{alone}; match: {}", key.title, key.key, words.join(", "))
}

fn flag(flag: &Flag) -> String {
    format!("{}: what they said about `{}`", flag.key, flag.purpose)
}

fn routes(manifest: &Manifest) -> Vec<String> {
    let mut lines = Vec::new();
    for host in &manifest.hosts {
        lines.push(format!("https://{host}"));
        for route in manifest.routes.iter().filter(|route| route.host == *host) {
            let mut notes = Vec::new();
            if route.writes {
                notes.push("changes members");
            }
            if !route.auth {
                notes.push("without credentials");
            }
            let notes = if notes.is_empty() { String::new() } else { format!("  ({})", notes.join(", ")) };
            let open = if open_ends(route).is_empty() { ' ' } else { '!' };
            lines.push(format!("{open} {:<6} {}{notes}", route.method, route.path));
            if !route.query.is_empty() {
                let query: Vec<String> = route.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
                lines.push(format!("           query: {}", query.join(", ")));
            }
            if let Some(body) = &route.body {
                lines.push(format!("           body: {body}"));
            }
            for (pointer, value) in &route.locks {
                lines.push(format!("           where {pointer} must be {value}"));
            }
        }
    }
    lines
}

/// What of a route the guest fills in freely, where that deserves a second look.
fn open_ends(route: &Route) -> Vec<String> {
    let mut open = Vec::new();
    let is_own = |template: &String| template.contains("{account}") || template.contains("{audience}");
    let held = is_own(&route.path) || route.query.values().any(is_own) || route.locks.values().any(is_own);
    if route.writes && !held {
        open.push("changes members, and neither path, query nor a lock holds it to the step's audience".to_owned());
    }
    let parts: Vec<&str> = route.path.split('/').filter(|part| !part.is_empty()).collect();
    let free = |part: &&str| *part == "{any}" || part.starts_with("{settings.");
    if parts.contains(&"{any}") && parts.iter().all(free) {
        open.push("the connector chooses the whole path".to_owned());
    }
    let any: Vec<&str> = route.query.iter().filter(|(_, value)| *value == "*").map(|(name, _)| name.as_str()).collect();
    if !any.is_empty() {
        open.push(format!("whatever the connector writes may stand in the query as {}", any.join(", ")));
    }
    open
}

/// What the version's grant says: what it leaves out, and its limits.
fn allowed(file: &GrantFile, manifest: &Manifest) -> Vec<String> {
    let withheld = file.grant().withheld(manifest);
    let mut lines = match withheld.is_empty() {
        true => vec!["all that it asks for".to_owned()],
        false => withheld.iter().map(|line| format!("not allowed: {line}")).collect(),
    };
    if let Ok(serde_json::Value::Object(limits)) = serde_json::to_value(&file.limits) {
        lines.extend(limits.iter().map(|(name, value)| format!("{name}: {value}")));
    }
    lines
}

fn needs(manifest: &Manifest) -> Vec<String> {
    let mut lines: Vec<String> = manifest
        .auth
        .headers
        .iter()
        .map(|(name, template)| format!("credentials, which the host puts into the header {name}: {template}"))
        .collect();
    for (route, parameters) in &manifest.auth.query {
        let names: Vec<&str> = parameters.keys().map(String::as_str).collect();
        lines.push(format!("credentials, which the host puts into the query of `{route}`: {}", names.join(", ")));
    }
    for secret in &manifest.auth.secrets {
        let must = if secret.required { "" } else { " (may be left out)" };
        lines.push(format!("the secret `{}`: {}{must}", secret.name, secret.title));
    }
    if let Some(grant) = &manifest.auth.token {
        lines.push(format!(
            "or an app's id and secret, which the host changes for tokens at {}{}",
            grant.host, grant.path
        ));
    }
    if let Some(oauth) = &manifest.auth.oauth {
        let page = &oauth.authorize;
        lines.push(format!("or the consent of a person, asked for at https://{}{}", page.host, page.path));
        lines.push(format!(
            "  for which the host sends the app's secret and refresh tokens to https://{}{}",
            oauth.token.host, oauth.token.path
        ));
        if let Some(revoke) = &oauth.revoke {
            lines.push(format!("  and a token that is to end to https://{}{}", revoke.host, revoke.path));
        }
        if !oauth.scopes.is_empty() {
            lines.push(format!("  scopes: {}", oauth.scopes.join(", ")));
        }
        if oauth.service_account {
            lines.push("  a service account's key will do as well: it signs, and is never sent".to_owned());
        }
    }
    lines.push("the component itself never sees a credential".to_owned());
    lines
}

fn limits(manifest: &Manifest) -> Vec<String> {
    let batch = &manifest.batch;
    let actions: Vec<&str> = manifest.actions.iter().map(|action| action.word()).collect();
    let mut lines = vec![
        format!("actions: {}", actions.join(", ")),
        format!("at most {} rows and {} MiB per call", out::count(batch.rows.into()), batch.bytes >> 20),
        match batch.parallel_per_audience {
            1 => "one call at a time per audience".to_owned(),
            n => format!("{n} calls at a time per audience"),
        },
    ];
    for quota in &manifest.quotas {
        let unit = match quota.unit {
            QuotaUnit::Calls => "calls",
            QuotaUnit::Rows => "rows",
            QuotaUnit::Bytes => "bytes",
            QuotaUnit::InFlight => "calls at the same time",
        };
        let scope = match quota.scope {
            QuotaScope::App => "all connections together",
            QuotaScope::Login => "a connection",
            QuotaScope::Account => "an ad account",
            QuotaScope::Audience => "an audience",
        };
        let per = quota.per.map(|per| format!(" per {per}")).unwrap_or_default();
        let by = match quota.credential {
            None => "",
            Some(QuotaCredential::App) => ", where the app itself calls",
            Some(QuotaCredential::Consent) => ", where it calls by a person's consent",
        };
        lines.push(format!("quota: {} {unit}{per} for {scope}{by}", out::count(quota.amount)));
    }
    lines
}

fn audiences(manifest: &Manifest) -> Vec<String> {
    let rules = &manifest.audience;
    let mut lines = vec![match (rules.create, rules.create_needs_rows) {
        (false, _) => "are made at the partner, not by us".to_owned(),
        (true, false) => "can be made by us".to_owned(),
        (true, true) => "can be made by us, with their first people".to_owned(),
    }];
    for kind in &rules.kinds {
        lines.push(format!("kind {}: {}", kind.kind, kind.keys.join(", ")));
    }
    if rules.serves_from > 0 {
        lines.push(format!("served from {} members on", out::count(rules.serves_from)));
    }
    if rules.per_account > 0 {
        lines.push(format!("at most {} per account", out::count(rules.per_account.into())));
    }
    match (rules.member_life, &rules.member_life_setting) {
        (Some(life), None) => {
            lines.push(format!("members stay for {life}; a repeat is sent again after {}", renewal(manifest)))
        }
        (longest, Some(setting)) => {
            let most = longest.map(|life| format!(", at most {life}")).unwrap_or_default();
            lines.push(format!(
                "members stay for as many days as the setting {setting} says{most}; a repeat is sent again after half of that"
            ));
        }
        (None, None) => lines.push("members stay until they are removed".to_owned()),
    }
    lines
}

fn renewal(manifest: &Manifest) -> String {
    manifest.renewal_age().map_or_else(|| "never".to_owned(), |age| age.to_string())
}

fn setting(setting: &caravan_model::manifest::Setting) -> String {
    let kind = match &setting.kind {
        SettingKind::Text { default } => format!("text, {default:?} if not given"),
        SettingKind::Choice { values, default } => format!("one of {}; {default} if not given", values.join(", ")),
        SettingKind::Switch { default } => format!("true or false; {default} if not given"),
        SettingKind::Number { default } => format!("a number; {default} if not given"),
    };
    format!("{}: {} ({kind})", setting.name, setting.title)
}
