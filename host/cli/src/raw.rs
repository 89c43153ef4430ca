//! Match keys by which a person's e-mail, phone or name would leave as it is: nobody sends them merely by writing a connection.
use crate::kept::Kept;
use crate::mapped::syncs;
use caravan_connectors::Grant;
use caravan_identity::raw_keys;
use caravan_journey::document::{Document, Path as Place};
use caravan_model::{Canvas, Code, Connection, Connections, Identities, Manifest, Problem};
use std::collections::{BTreeMap, BTreeSet};

/// Keys that are withheld, by the connection's name.
pub type Withheld = BTreeMap<String, BTreeSet<String>>;

/// What nobody allowed to leave unhashed: of a connector that was granted, only what the connection makes of its keys; of one
/// inside the program, or of a file that the connections name, each key that its `raw` does not name.
pub fn withheld(granted: Option<&Grant>, manifest: &Manifest, connection: &Connection) -> BTreeSet<String> {
    let known = match granted {
        Some(_) => raw_keys(manifest, &Identities::default()),
        None => Vec::new(),
    };
    let allowed = |key: &str| {
        let found = manifest.keys.iter().find(|known| known.key == key);
        found.is_some_and(|key| connection.raw.iter().any(|word| key.is_asked_by(word)))
    };
    let raw = raw_keys(manifest, &connection.identities).into_iter();
    raw.filter(|key| !known.contains(key) && !allowed(key)).map(str::to_owned).collect()
}

/// What a connection's component may do: its grant, or all that it asks for, without what is withheld.
pub fn narrowed(granted: Option<Grant>, manifest: &Manifest, withheld: &BTreeSet<String>) -> Grant {
    let mut grant = granted.unwrap_or_else(|| Grant::as_asked(manifest));
    grant.send.retain(|key| !withheld.contains(key));
    grant
}

/// Words of a connection's `raw` by which its connector takes nothing unhashed (CV026): they would allow nothing.
pub fn wrong_entries(connections: &Document<Connections>, name: &str, manifest: &Manifest) -> Vec<Problem> {
    let Some(connection) = connections.value.connections.get(name) else { return Vec::new() };
    let takes = |word: &&String| manifest.keys.iter().any(|key| key.is_unhashed() && key.is_asked_by(word));
    let strange = connection.raw.iter().filter(|word| !takes(word));
    let at = Place::root().key("connections").key(name).key("raw");
    let problem = |word: &String| {
        let words = format!("{} takes nothing unhashed by `{word}`", manifest.title);
        connections.problem(Code::BadConnection, &at, words).cure("take it out of `raw`")
    };
    strange.map(problem).collect()
}

/// Steps of a canvas that match on what is withheld (CV046), at the line of the connection.
pub fn refused<'a>(
    canvas: &Canvas,
    connections: &Document<Connections>,
    kept: &Kept,
    withheld: &Withheld,
    manifest: impl Fn(&str) -> Option<&'a Manifest>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (id, sync, spec) in syncs(canvas) {
        let (Some(held), Some(manifest)) = (withheld.get(&spec.connection), manifest(&spec.connection)) else {
            continue;
        };
        let who = format!("step `{id}` of {}", canvas.canvas);
        let Some(told) = told(&who, manifest, &sync.match_on, held) else { continue };
        let said = kept.said_by(connections, &spec.connection);
        let at = Place::root().key("connections").key(&spec.connection);
        let placed = said.problem(told.code, &at, told.message);
        problems.push(Problem { cure: told.cure, ..placed });
    }
    problems
}

/// Why words of `match` cannot be sent, where what is withheld is among them.
pub fn told(who: &str, manifest: &Manifest, words: &[String], withheld: &BTreeSet<String>) -> Option<Problem> {
    let chosen = manifest.chosen(words).map(|key| key.key.as_str()).filter(|key| withheld.contains(*key));
    let keys = chosen.collect::<Vec<_>>().join(", ");
    if keys.is_empty() {
        return None;
    }
    let message = format!("{who} would send {keys} to {} unhashed, and nobody has allowed that", manifest.title);
    Some(
        Problem::new(Code::RawIdentity, message)
            .cure(format!("this line of the connection allows it: `raw: [{keys}]`")),
    )
}
