//! Manifests: the JSON in a component's custom section, and the component around it.
use caravan_connectors::{Grant, GrantFile, Outline, RouteBook};
use caravan_model::manifest::{Hash, SECTION, World};

/// Whatever the bytes are, as a whole component or as the manifest in a proper one, reading them ends with an outline or
/// with a problem; an outline that is printed and read again is the same, and what it asks for is what a grant gives.
///
/// # Panics
/// It does not hold.
pub fn holds(bytes: &[u8]) {
    if let Ok(outline) = Outline::read(bytes) {
        check(&outline);
    }
    for world in [World::Destination, World::Source] {
        let Ok(outline) = Outline::read(&component(world, bytes)) else { continue };
        assert_eq!(outline.manifest.world, world);
        check(&outline);
        let printed = serde_json::to_vec(&outline.manifest).expect("a manifest can be printed");
        let again = Outline::read(&component(world, &printed)).expect("what was printed can be read");
        assert_eq!(again.manifest, outline.manifest, "printing changes nothing");
        assert_eq!(serde_json::to_vec(&again.manifest).expect("printed"), printed, "and is the same twice");
        let difference = outline.difference(&again);
        assert!(difference.widens.is_empty() && difference.narrows.is_empty(), "{difference:?}");
    }
}

fn check(outline: &Outline) {
    let manifest = &outline.manifest;
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    assert!(!manifest.name.is_empty() && plain(&manifest.name), "a name that is a file's name and a word everywhere");
    let words: Vec<String> = outline.capabilities().into_iter().map(|one| one.words).collect();
    assert!(!words.iter().any(|words| words.chars().any(char::is_control)), "nothing that a terminal obeys: {words:?}");
    for key in manifest.keys.iter().filter(|key| key.hash == Hash::None) {
        let stands_out = |one: &caravan_connectors::Capability| one.stands_out && one.words.contains(&key.key);
        assert!(outline.capabilities().iter().any(stands_out), "`{}` leaves unhashed", key.key);
    }
    for route in &manifest.routes {
        let open = |template: &str| template.matches("{any}").count();
        let most = route.path.split('/').map(open).chain(route.query.values().map(|value| open(value))).max();
        assert!(most <= Some(2), "`{}`: nothing that can be cut in more ways than a person can think of", route.name);
    }
    let grant = Grant::as_asked(manifest);
    assert!(grant.withheld(manifest).is_empty() && grant.beyond(manifest).is_empty());
    let nothing = Grant::default();
    let auth = &manifest.auth;
    let lists =
        [manifest.keys.len(), manifest.routes.len(), manifest.flags.len(), manifest.actions.len(), auth.secrets.len()];
    let withheld = nothing.withheld(manifest);
    let places = withheld.iter().filter(|line| line.starts_with("tokens: ")).count();
    assert_eq!(withheld.len(), lists.iter().sum::<usize>() + places);
    assert_eq!(places > 0, auth.token.is_some() || auth.oauth.is_some(), "every place that gets secrets is granted");
    assert_eq!(grant.narrowed(manifest), grant);
    let file = GrantFile::new(&manifest.name, &outline.digest, grant.clone());
    let text = serde_json::to_string(&file).expect("a grant can be printed");
    let read: GrantFile = serde_json::from_str(&text).expect("what was printed can be read");
    assert_eq!((read.grant(), read.names()), (grant.clone(), Ok((manifest.name.clone(), outline.digest))));
    // Under its defaults every route can be compiled, whatever is granted.
    let settings = manifest.settings_with(&Default::default()).expect("defaults fit");
    for grant in [grant, nothing] {
        RouteBook::new(manifest, &grant, &settings).expect("a manifest that was taken has routes that can be read");
    }
}

/// A component of a world with this manifest, and no code behind what it exports.
pub fn component(world: World, manifest: &[u8]) -> Vec<u8> {
    let names: &[&str] = match world {
        World::Destination => &["accounts", "audiences", "create-audience", "check", "sync", "follow-up"],
        World::Source => &["folders", "audiences", "check", "members"],
    };
    let named = |name: &str| [&length(name.len())[..], name.as_bytes()].concat();
    // An export: its name, a function, the first one, of no given type.
    let export = |name: &&str| [&[0][..], &named(name), &[1, 0, 0]].concat();
    let exports: Vec<u8> = names.iter().flat_map(export).collect();
    let exports = [&length(names.len())[..], &exports].concat();
    let custom = [&named(SECTION)[..], manifest].concat();
    [b"\0asm\x0d\0\x01\0".to_vec(), section(0, &custom), section(11, &exports)].concat()
}

fn section(id: u8, bytes: &[u8]) -> Vec<u8> {
    [&[id][..], &length(bytes.len()), bytes].concat()
}

/// A number as WebAssembly writes it (LEB128).
fn length(mut n: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = (n & 0x7f) as u8;
        n >>= 7;
        if n == 0 {
            out.push(byte);
            return out;
        }
        out.push(byte | 0x80);
    }
}
