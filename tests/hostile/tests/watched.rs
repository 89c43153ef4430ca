//! The whole memory of a guest, as it is when its call has ended, holds no secret and no raw field in any form.
#![allow(unsafe_code, reason = "wasmtime asks for it from whoever brings memory")]
#[path = "../../../host/connectors/tests/support/mod.rs"]
mod support;

use base64::Engine as _;
use caravan_connectors::{BoundConnector, GuestMemory, LabMap, Reach, Sandbox, SandboxOptions};
use caravan_identity::{ColumnBuilder, Person, Plan};
use caravan_model::port::{Ask, Connector as _, Secret, Vault};
use caravan_model::{Action, Part, Profile};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use support::{META, Peer, context, fault, guest, json, meta_answer, report, settled_target};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

/// A guest's memory in a vector. Its bytes are atomic, so that the guest may write them through a shared reference.
struct Memory {
    bytes: Vec<AtomicU8>,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Memory {
    fn resize(&mut self, size: usize) {
        self.bytes.resize_with(size, || AtomicU8::new(0));
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let bytes = self.bytes.iter().map(|byte| byte.load(Ordering::Relaxed)).collect();
        self.seen.lock().unwrap().push(bytes);
    }
}

// SAFETY: the pointer is that of `byte_size` bytes, which stay where they are until `grow_to`; the engine has neither
// reservation nor guard, so that it checks every access against that size.
unsafe impl LinearMemory for Memory {
    fn byte_size(&self) -> usize {
        self.bytes.len()
    }

    fn byte_capacity(&self) -> usize {
        self.bytes.len()
    }

    fn grow_to(&mut self, size: usize) -> wasmtime::Result<()> {
        self.resize(size);
        Ok(())
    }

    fn as_ptr(&self) -> *mut u8 {
        self.bytes.as_ptr().cast_mut().cast()
    }
}

/// Keeps every memory that guests leave behind.
#[derive(Clone, Default)]
struct Watch(Arc<Mutex<Vec<Vec<u8>>>>);

// SAFETY: the memory has at least the size that is asked for, and no guard is promised.
unsafe impl MemoryCreator for Watch {
    fn new_memory(
        &self,
        _: MemoryType,
        minimum: usize,
        _: Option<usize>,
        _: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        assert_eq!(guard, 0);
        let mut memory = Memory { bytes: Vec::new(), seen: self.0.clone() };
        memory.resize(minimum);
        Ok(Box::new(memory))
    }
}

/// A text in the forms in which it may lie about: as it is, in small letters, UTF-16, hexadecimal, base64 wherever it
/// begins, percent-encoded.
fn forms(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let plain = text.as_bytes();
    let utf16: Vec<u16> = text.encode_utf16().collect();
    let hex: String = plain.iter().map(|byte| format!("{byte:02x}")).collect();
    let percent: String =
        plain
            .iter()
            .map(|b| {
                if b.is_ascii_alphanumeric() || b"-._~".contains(b) {
                    char::from(*b).into()
                } else {
                    format!("%{b:02X}")
                }
            })
            .collect();
    let mut all = vec![
        ("plain", plain.to_vec()),
        ("in small letters", text.to_lowercase().into_bytes()),
        ("UTF-16", utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect()),
        ("UTF-16, big", utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect()),
        ("hexadecimal in capitals", hex.to_uppercase().into_bytes()),
        ("hexadecimal", hex.into_bytes()),
        ("percent-encoded", percent.into_bytes()),
    ];
    for before in 0..3 {
        let longer = [&[b'x'; 3][..before], plain].concat();
        let text = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&longer);
        // Whole groups of the text itself: what stands beside it changes the others.
        let begin = before.div_ceil(3) * 4;
        let end = longer.len() / 3 * 4;
        all.push(("base64", text.as_bytes()[begin..end].to_vec()));
        all.push(("base64 for URLs", text[begin..end].replace('+', "-").replace('/', "_").into_bytes()));
    }
    all
}

fn holds(memories: &[Vec<u8>], needle: &[u8]) -> bool {
    memories.iter().any(|memory| memchr::memmem::find(memory, needle).is_some())
}

const TOKEN: &str = "EAAGm0PX4ZCpsBAKq7+ZBs/Tz1==";

struct One;

impl Vault for One {
    fn secret(&self, _: &str, _: &str) -> Result<Secret, String> {
        Ok(Secret::new(TOKEN))
    }
}

fn person() -> Profile {
    Profile {
        external_id: "customer-8848-everest".into(),
        emails: vec!["Xanthippe.Quizzlewick@mail.example".into()],
        phones: vec!["+33 6 12 34 56 78".into()],
        first_name: Some("Xanthippe".into()),
        last_name: Some("Quizzlewick".into()),
        city: Some("Quetzaltenango".into()),
        birth_date: Some("1985-07-03".into()),
        ..Profile::default()
    }
}

/// What of the person is raw: as they wrote it, and normalised.
const RAW: [&str; 9] = [
    "customer-8848-everest",
    "Xanthippe.Quizzlewick",
    "Quizzlewick@mail.example",
    "+33 6 12 34 56 78",
    "33612345678",
    "0612345678",
    "Xanthippe",
    "Quetzaltenango",
    "1985-07-03",
];

/// Runs a component in memory that is watched, against a partner that echoes the token in every way; gives all memory.
async fn left_behind(name: &str, deed: Option<&str>) -> (Vec<Vec<u8>>, String) {
    let watch = Watch::default();
    let memory = Some(GuestMemory(Arc::new(watch.clone())));
    let sandbox = Sandbox::new(SandboxOptions { memory, ..SandboxOptions::default() }).unwrap();
    let component = sandbox.load(&guest(name)).unwrap();
    let peer = Peer::start(|request| {
        let echo = format!("{TOKEN} Bearer {TOKEN} {}", base64::engine::general_purpose::STANDARD.encode(TOKEN));
        let body = meta_answer(request).replacen('{', &format!(r#"{{"echo":"{echo}","#), 1);
        let mut answer = json(200, &body);
        answer.headers_mut().insert("x-echo", format!("Bearer {TOKEN}").parse().unwrap());
        answer
    })
    .await;
    let mut binding = support::binding(&component, peer.lab(META));
    binding.vault = Arc::new(One);
    let words = ["email", "phone", "first_name", "last_name", "city", "birth_date"].map(str::to_owned);
    let plan = Plan::new(component.manifest(), &words, &Default::default(), None);
    // The hostile ones take e-mails alone.
    let plan = plan.or_else(|_| Plan::new(component.manifest(), &words[..1], &Default::default(), None)).unwrap();
    let mut builder = ColumnBuilder::new(&plan, 1);
    assert_eq!(builder.push(&person(), false), Person::Rows(1));
    let (columns, person_ends) = builder.finish().into_part_columns();
    let digest = columns[0].value(0).to_owned();
    let group = component.manifest().groups.first().map_or_else(String::new, |group| group.name.clone());
    let part = Part { id: "p".into(), action: Action::Add, group, rows: 1, person_ends, columns, flags: Vec::new() };
    if let Some(deed) = deed {
        binding.settings.insert("deed".into(), deed.into());
    }
    assert!(matches!(binding.reach, Reach::Lab(_)));
    let connector = BoundConnector::new(component, binding).unwrap();
    let ask = Ask::Sync { target: settled_target(&connector), part: Arc::new(part) };
    let outcome = connector.call(context(), ask).await;
    assert!(report(&outcome).fault.is_none(), "{:?}", fault(&outcome));
    let sent = peer.received();
    assert!(sent.iter().all(|request| request.headers["authorization"] == format!("Bearer {TOKEN}")), "{sent:?}");
    assert!(sent.iter().any(|request| holds(&[request.body.to_vec()], digest.as_bytes())));
    drop(connector);
    let seen = watch.0.lock().unwrap().clone();
    (seen, digest)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_memory_of_a_guest_holds_no_secret_and_no_raw_field_in_any_form() {
    // Each with what it is known to have looked at beside its rows.
    for (name, deed, of_target) in [
        ("hostile_deeds", Some("dump"), &["23850", "x-echo"][..]),
        ("hostile_peek", None, &[]),
        ("meta", None, &["23850"]),
    ] {
        let (memories, digest) = left_behind(name, deed).await;
        let size: usize = memories.iter().map(Vec::len).sum();
        assert!(size >= 1 << 20, "{name}: {size} bytes");
        // What it was given is there, so that whatever else it had been given would be found.
        for known in std::iter::once(digest.as_str()).chain(of_target.iter().copied()) {
            assert!(holds(&memories, known.as_bytes()), "{name}: its memory is not what was looked at: {known}");
        }
        for secret in RAW.iter().chain(&[TOKEN]) {
            for (form, needle) in forms(secret) {
                assert!(needle.len() >= 8 && !holds(&memories, &needle), "{name}: `{secret}`, {form}");
            }
        }
    }
}

/// A bundled destination: its account and audience, settings, and what its partner says to a change of members.
struct Bundled {
    name: &'static str,
    account: &'static str,
    settings: &'static str,
    answer: &'static str,
}

const BUNDLED: [Bundled; 7] = [
    Bundled {
        name: "criteo",
        account: "1",
        settings: "{}",
        answer: r#"{"data":{"attributes":{"nbValidIdentifiers":1,"nbInvalidIdentifiers":0}}}"#,
    },
    Bundled {
        name: "google",
        account: "1000000001",
        settings: r#"{"terms_accepted":true}"#,
        answer: r#"{"requestId":"t-1"}"#,
    },
    Bundled {
        name: "marketo",
        account: "123-ABC-456",
        settings: r#"{"munchkin":"123-ABC-456"}"#,
        answer: r#"{"success":true,"result":[{"id":11,"email":"xanthippe.quizzlewick@mail.example","status":"added"}]}"#,
    },
    Bundled {
        name: "meta",
        account: "act_1",
        settings: "{}",
        answer: r#"{"audience_id":"23850","session_id":1,"num_received":1,"num_invalid_entries":0}"#,
    },
    Bundled { name: "pinterest", account: "549", settings: "{}", answer: r#"{"id":"23850","exceptions":{}}"# },
    Bundled {
        name: "snapchat",
        account: "8adc3db7-8148-4fbf-999c-000000000001",
        settings: "{}",
        answer: r#"{"request_status":"SUCCESS","users":[{"sub_request_status":"SUCCESS","user":{"number_uploaded_users":1}}]}"#,
    },
    Bundled { name: "tiktok", account: "7000000000000000001", settings: "{}", answer: r#"{"code":0,"data":{}}"# },
];

/// Sends the person's e-mail through a bundled component whose partner echoes the token; gives all memory, and what was sent.
async fn sent_through(of: &Bundled) -> (Vec<Vec<u8>>, String) {
    let watch = Watch::default();
    let memory = Some(GuestMemory(Arc::new(watch.clone())));
    let sandbox = Sandbox::new(SandboxOptions { memory, ..SandboxOptions::default() }).unwrap();
    let component = sandbox.load(&guest(of.name)).unwrap();
    let answer = of.answer;
    let peer = Peer::start(move |_| {
        let mut answer = json(200, &answer.replacen('{', &format!(r#"{{"echo":"Bearer {TOKEN}","#), 1));
        answer.headers_mut().insert("x-echo", TOKEN.parse().unwrap());
        answer
    })
    .await;
    let hosts = component.manifest().hosts.iter().map(|host| (host.clone(), peer.address.to_string()));
    let reach = Reach::Lab(LabMap::new(hosts).unwrap());
    let mut binding = support::binding(&component, reach);
    binding.vault = Arc::new(One);
    binding.accounts = Some(vec![of.account.into()]);
    binding.settings = serde_json::from_str(of.settings).unwrap();
    let plan = Plan::new(component.manifest(), &["email".to_owned()], &binding.settings, None).unwrap();
    let mut builder = ColumnBuilder::new(&plan, 1);
    assert_eq!(builder.push(&person(), false), Person::Rows(1));
    let (columns, person_ends) = builder.finish().into_part_columns();
    let sent = columns[0].value(0).to_owned();
    let of_key = |group: &&caravan_model::manifest::KeyGroup| group.keys.contains(&columns[0].key);
    let group = component.manifest().groups.iter().find(of_key).expect("a group").name.clone();
    let part = Part { id: "p".into(), action: Action::Add, group, rows: 1, person_ends, columns, flags: Vec::new() };
    let connector = BoundConnector::new(component, binding).unwrap();
    let target = caravan_model::Target { account: of.account.into(), ..settled_target(&connector) };
    let outcome = connector.call(context(), Ask::Sync { target, part: Arc::new(part) }).await;
    assert!(report(&outcome).fault.is_none(), "{}: {:?}", of.name, fault(&outcome));
    let requests = peer.received();
    let injected = |request: &support::Received| request.headers.values().any(|value| value.contains(TOKEN));
    assert!(!requests.is_empty() && requests.iter().all(injected), "{requests:?}");
    drop(connector);
    let seen = watch.0.lock().unwrap().clone();
    (seen, sent)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_bundled_component_has_a_secret_or_a_raw_field_in_its_memory_but_what_it_was_granted_raw() {
    for of in &BUNDLED {
        let (memories, sent) = sent_through(of).await;
        assert!(holds(&memories, sent.as_bytes()), "{}: its memory is not what was looked at", of.name);
        // Marketo compares plain addresses, and is sent one.
        let granted = |raw: &&&str| of.name == "marketo" && sent.contains(&raw.to_lowercase());
        for secret in RAW.iter().filter(|raw| !granted(raw)).chain(&[TOKEN]) {
            for (form, needle) in forms(secret) {
                assert!(!holds(&memories, &needle), "{}: `{secret}`, {form}", of.name);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundled_source_has_no_secret_in_its_memory() {
    let watch = Watch::default();
    let memory = Some(GuestMemory(Arc::new(watch.clone())));
    let sandbox = Sandbox::new(SandboxOptions { memory, ..SandboxOptions::default() }).unwrap();
    let component = sandbox.load(&guest("experience_platform")).unwrap();
    let peer =
        Peer::start(|_| json(200, &format!(r#"{{"echo":"Bearer {TOKEN}","sandboxes":[{{"name":"prod"}}]}}"#))).await;
    let hosts = component.manifest().hosts.iter().map(|host| (host.clone(), peer.address.to_string()));
    let mut binding = support::binding(&component, Reach::Lab(LabMap::new(hosts).unwrap()));
    binding.vault = Arc::new(One);
    binding.accounts = None;
    let settings = r#"{"organisation":"0123@AdobeOrg","api_key":"key","dataset":"d1"}"#;
    binding.settings = serde_json::from_str(settings).unwrap();
    let connector = BoundConnector::new(component, binding).unwrap();
    let outcome = connector.call(context(), Ask::Accounts { cursor: None }).await;
    let requests = peer.received();
    let injected = requests.iter().all(|request| request.headers["authorization"].contains(TOKEN));
    assert!(!requests.is_empty() && injected, "{outcome:?}");
    drop(connector);
    let memories = watch.0.lock().unwrap().clone();
    assert!(holds(&memories, b"0123@AdobeOrg"), "its memory is not what was looked at");
    for (form, needle) in forms(TOKEN) {
        assert!(!holds(&memories, &needle), "{form}");
    }
}

#[test]
fn what_is_looked_for_is_found_in_every_form() {
    let text = "Quizzlewick@mail.example";
    for before in ["", "a", "ab", "abc"] {
        let longer = format!("{before}{text}");
        let memory = base64::engine::general_purpose::STANDARD.encode(longer).into_bytes();
        assert!(forms(text).iter().any(|(_, needle)| holds(std::slice::from_ref(&memory), needle)), "{before}");
    }
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    for memory in [utf16, hex.into_bytes(), text.as_bytes().to_vec()] {
        assert!(forms(text).iter().any(|(_, needle)| holds(std::slice::from_ref(&memory), needle)));
    }
}
