//! What a manifest asks to be allowed. Each right is its part of the manifest, whole, by which versions are compared, and words
//! for people, by which nothing is: two rights may read alike.
use crate::oauth::place::{self, Gives, SecretPlace};
use caravan_model::Manifest;
use caravan_model::manifest::{
    AppPart, AudienceRules, Auth, Flag, Hash, KeyGroup, MatchKey, OAuth, Publisher, Quota, Route, SecretSpec, Setting,
    SettingKind, World,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A thing that a component asks to be allowed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capability {
    /// In plain words.
    pub words: String,
    /// Whether it must stand out: something leaves unhashed, secrets go where no route goes, or an import is beyond the world.
    pub stands_out: bool,
    /// The right itself, as the manifest writes it: equal for the same right and for no other.
    pub right: String,
}

/// A right of a kind.
fn right(kind: &str, of: impl Serialize, words: String) -> Capability {
    Capability { words, stands_out: false, right: format!("{kind} {}", json!(of)) }
}

/// Everything that a manifest asks to be allowed.
///
/// Not asked for, since nothing comes of it:
/// - `manifest`, `name` and `wit` are the same in all versions that can follow each other;
/// - `title` (of the partner, of keys, settings and secrets), `version`, `publisher.support` and `publisher.docs` are words;
/// - `batch` cuts the same people into smaller or larger calls, which the grant bounds;
/// - `usage` and `trace` read answers that were scrubbed, for the host's own quotas and logs;
/// - settings that stand in no template and choose no rule are read by nobody but the guest, and given by people.
pub(super) fn of(manifest: &Manifest) -> BTreeSet<Capability> {
    // Every field by its name, so that a new one is thought of here.
    let Manifest {
        manifest: _,
        name: _,
        title: _,
        version: _,
        wit: _,
        world,
        publisher: Publisher { name: publisher, support: _, docs: _ },
        hosts,
        routes,
        auth,
        actions,
        keys,
        groups,
        flags,
        batch: _,
        quotas,
        usage: _,
        audience,
        settings,
        open_url,
        trace: _,
    } = manifest;
    let mut all = BTreeSet::new();
    let serves = match world {
        World::Destination => "write people into audiences",
        World::Source => "read members of audiences",
    };
    all.insert(right("world", world, serves.to_owned()));
    all.insert(right("publisher", publisher, format!("be the work of {}", quoted(publisher))));
    all.extend(hosts.iter().map(|host| right("host", host, format!("reach the host {host}"))));
    all.extend(routes.iter().map(|route| right("route", route, reach(route))));
    all.extend(actions.iter().map(|action| right("action", action, format!("{} members", action.word()))));
    all.extend(keys.iter().map(key));
    all.extend(groups.iter().map(group));
    all.extend(flags.iter().map(flag));
    all.extend(quotas.iter().map(quota));
    all.insert(audiences(audience));
    let used = used_settings(manifest);
    all.extend(settings.iter().filter(|setting| used.contains(&setting.name)).map(setting_of));
    all.extend(open_url.iter().map(|url| right("link", url, format!("lead people to {}", quoted(url)))));
    credentials(auth, &mut all);
    all.extend(place::places(manifest).iter().map(|place| endpoint(place, manifest)));
    all
}

/// An import that the world does not have.
pub(super) fn beyond(name: &str) -> Capability {
    let words = format!("import {name}, which is beyond the world (an empty one is given)");
    Capability { stands_out: true, ..right("import", name, words) }
}

fn credentials(auth: &Auth, all: &mut BTreeSet<Capability>) {
    let Auth { headers, query, secrets, token, oauth } = auth;
    for (name, template) in headers {
        let words = format!("have the host put {} into the header {name}", quoted(template));
        all.insert(right("header", (name, template), words));
    }
    for (route, parameters) in query {
        for (name, template) in parameters {
            let words = format!("have the host put {} into the query of {} as {name}", quoted(template), quoted(route));
            all.insert(right("query", (route, name, template), words));
        }
    }
    for SecretSpec { name, title: _, required, app } in secrets {
        let must = if *required { "" } else { ", where there is one" };
        let part = match app {
            Some(AppPart::Id) => ", or the sealed app's id",
            Some(AppPart::Secret) => ", or the sealed app's secret",
            None => "",
        };
        all.insert(right("secret", (name, required, app), format!("have a secret `{name}` used for it{must}{part}")));
    }
    if let Some(token) = token {
        let scope = token.scope_setting.as_ref().map(|name| format!(", for the scope of the setting `{name}`"));
        let words = format!("have tokens asked for an app{}", scope.unwrap_or_default());
        all.insert(right("app", token, words));
    }
    all.extend(oauth.iter().map(consent));
}

/// All that is said at the endpoints, beside where they are.
fn consent(oauth: &OAuth) -> Capability {
    let scopes = oauth.scopes.iter().map(|scope| quoted(scope)).collect::<Vec<_>>().join(", ");
    let account = if oauth.service_account { ", or a service account's assertion," } else { "" };
    let mut said = json!(oauth);
    if let Value::Object(said) = &mut said {
        ["authorize", "token", "revoke", "scopes"].iter().for_each(|name| drop(said.remove(*name)));
    }
    let words = format!("have people's consent{account} asked for with the scopes [{scopes}], in these terms: {said}");
    right("oauth", oauth, words)
}

fn endpoint(place: &SecretPlace<'_>, manifest: &Manifest) -> Capability {
    let apart = place.is_apart(manifest);
    let kind = match place.gives {
        Gives::App => "app at",
        Gives::Token => "tokens at",
        Gives::Person => "consent at",
        Gives::Revoked => "end at",
    };
    let no_route = if apart { ", a host that no route has" } else { "" };
    let words = format!("{}{no_route}", place.words());
    Capability { stands_out: apart, ..right(kind, (place.host, place.path, apart), words) }
}

fn key(key: &MatchKey) -> Capability {
    let form = match key.hash {
        Hash::None => "UNHASHED",
        Hash::Sha256Hex => "hashed by SHA-256",
        Hash::Sha256Base64 => "hashed by SHA-256 in base64",
        Hash::Md5Hex => "hashed by MD5",
        Hash::Sha256OfMd5 => "hashed by SHA-256 of MD5",
    };
    let fields: BTreeSet<String> = key.sources.iter().map(|source| plain(source.field)).collect();
    let fields = fields.into_iter().collect::<Vec<_>>().join(", ");
    let words = format!("send `{}` ({}), {form}, from {fields} by the rule {}", key.key, key.title, plain(key.rule));
    let of = MatchKey { title: String::new(), ..key.clone() };
    Capability { stands_out: key.hash == Hash::None, ..right("key", of, words) }
}

fn group(group: &KeyGroup) -> Capability {
    right("group", group, format!("send {} together (`{}`)", group.keys.join(", "), group.name))
}

fn flag(flag: &Flag) -> Capability {
    right("flag", flag, format!("say as `{}` what people said about `{}`", flag.key, flag.purpose))
}

fn quota(quota: &Quota) -> Capability {
    let per = quota.per.map(|per| format!(" per {per}")).unwrap_or_default();
    let resets = quota.resets.as_ref().map(|resets| format!(" ({resets})")).unwrap_or_default();
    let (unit, scope) = (plain(quota.unit), plain(quota.scope));
    let by = quota.credential.map(|by| format!(", calling by {}", plain(by))).unwrap_or_default();
    right("quota", quota, format!("use {} {unit}{per}{resets} of each {scope}{by}", quota.amount))
}

fn audiences(rules: &AudienceRules) -> Capability {
    let makes = match (rules.create, rules.create_needs_rows) {
        (false, _) => "make no audiences",
        (true, false) => "make audiences",
        (true, true) => "make audiences with their first people",
    };
    let mut said = json!(rules);
    if let Value::Object(said) = &mut said {
        said.retain(|name, value| {
            let empty = matches!(value, Value::Array(all) if all.is_empty()) || *value == json!(0);
            !["create", "create_needs_rows"].contains(&name.as_str()) && !empty
        });
    }
    let by = if said == json!({}) { String::new() } else { format!(", by these rules: {said}") };
    right("audiences", rules, format!("{makes}{by}"))
}

/// The settings that change what may leave: they stand in a template, choose a rule, or are a scope.
fn used_settings(manifest: &Manifest) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    placed(&json!([manifest.hosts, manifest.routes, manifest.auth, manifest.open_url]), &mut used);
    used.extend(manifest.keys.iter().flat_map(|key| &key.variants).map(|variant| variant.setting.clone()));
    used.extend(manifest.auth.token.iter().filter_map(|token| token.scope_setting.clone()));
    used
}

fn placed(value: &Value, used: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let names = text.split("{settings.").skip(1).filter_map(|rest| rest.split_once('}'));
            used.extend(names.map(|(name, _)| name.to_owned()));
        }
        Value::Array(values) => values.iter().for_each(|value| placed(value, used)),
        Value::Object(fields) => fields.values().for_each(|value| placed(value, used)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn setting_of(setting: &Setting) -> Capability {
    let kind = match &setting.kind {
        SettingKind::Text { default } => format!("any text, {} if not given", quoted(default)),
        SettingKind::Choice { values, default } => {
            let values = values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", ");
            format!("one of {values}, {} if not given", quoted(default))
        }
        SettingKind::Switch { default } => format!("true or false, {default} if not given"),
        SettingKind::Number { default } => format!("a number, {default} if not given"),
    };
    right("setting", (&setting.name, &setting.kind), format!("be told by the setting `{}`: {kind}", setting.name))
}

fn reach(route: &Route) -> String {
    let mut words = format!("{} https://{}{} (`{}`)", route.method, route.host, route.path, route.name);
    let list = |of: &BTreeMap<String, String>| {
        of.iter()
            .map(|(name, template)| format!("{}={}", quoted(name), quoted(template)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    if !route.query.is_empty() {
        words.push_str(&format!(" with the query {}", list(&route.query)));
    }
    if !route.headers.is_empty() {
        words.push_str(&format!(" with the headers {}", list(&route.headers)));
    }
    if let Some(body) = &route.body {
        words.push_str(&format!(" with a body of {body}"));
    }
    if !route.locks.is_empty() {
        words.push_str(&format!(", where the body must have {}", list(&route.locks)));
    }
    if route.writes {
        words.push_str(", which changes members");
    }
    if !route.auth {
        words.push_str(", without credentials");
    }
    words
}

/// A text of the manifest in words: where it begins and ends can be seen, whatever is in it.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A word of a closed list, as the manifest writes it.
fn plain(word: impl Serialize) -> String {
    json!(word).as_str().unwrap_or_default().to_owned()
}
