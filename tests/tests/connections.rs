//! Connections as nouns: made, changed, switched and forgotten by the API of a host that serves, and by the command line.
use caravan_tests::{Lab, Place, Ran, Served, audience_named, keys_of, oracle, patient};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const FILE: &str = "format: 1\nconnections:\n  lab-meta: { connector: meta, lab: true, accounts: { main: act_1 } }\n";

/// A canvas of one sync that people enter by a call.
fn canvas(id: &str, connection: &str, account: &str) -> String {
    format!(
        "format: 1\ncanvas: {id}\naudiences:\n  all: {{ connection: {connection}, account: {account}, name: {id}, \
         if_missing: create }}\nentry: {{ trigger: {{ api: true }}, re_entry: always, start: sync }}\nsteps:\n  \
         sync: {{ audience_sync: {{ audience: all, action: add, match: [email] }}, next: exit }}\n"
    )
}

struct World {
    place: Place,
    lab: Lab,
    host: Served,
    admin: String,
}

impl World {
    fn new() -> World {
        let place = Place::new();
        place.write("connections.yaml", FILE);
        place.write("canvas.yaml", canvas("first", "lab-meta", "main"));
        let lab = place.lab();
        let made = place.run(["key", "add", "admin", "--rights", "admin", "--store", "s.caravan", "--json"]);
        let admin = made.expect(0).json()["key"].as_str().expect("a secret").to_owned();
        let host = Served::start(&place, &lab, "127.0.0.1:0");
        World { place, lab, host, admin }
    }

    fn call_as(&self, key: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
        let (status, answer) = self.host.ask(method, path, &format!("authorization: Bearer {key}\r\n"), body);
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.call_as(&self.admin, method, path, &body.to_string())
    }

    /// A call that is refused: its status and code.
    fn refused(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let (status, said) = self.call(method, path, body);
        assert!(status >= 400 && said["cure"].is_string(), "{status} {said}");
        (status, said["code"].as_str().unwrap_or_default().to_owned())
    }

    fn publish(&self, text: &str) -> (u16, Value) {
        self.call_as(&self.admin, "POST", "/api/canvases", text)
    }

    fn enters(&self, id: &str) {
        let person = json!({"people": [{"external_id": id, "emails": [format!("{id}@example.com")],
            "attributes": {"club": format!("{id}@club.example")}}]});
        assert_eq!(self.call("POST", "/api/canvases/shop/entries", &person).0, 202);
    }

    fn members(&self) -> BTreeSet<String> {
        let Ok(audience) = audience_named(&self.lab, "shop") else { return BTreeSet::new() };
        keys_of(&self.lab, &audience).expect("members").remove("EMAIL").unwrap_or_default()
    }

    fn caravan(&self, arguments: &[&str]) -> Ran {
        let mut command = self.place.caravan([arguments, &["--server", &self.host.url]].concat());
        Ran::of(command.env("CARAVAN_KEY", &self.admin))
    }
}

fn hashed(values: &[&str]) -> BTreeSet<String> {
    values.iter().map(|value| oracle::sha256(value)).collect()
}

/// What the API is told of the connection `second`.
fn second() -> Value {
    json!({"connector": "meta", "lab": true, "accounts": {"main": "act_1"}, "identities": {"email": "traits.club"}})
}

#[test]
fn a_connection_that_the_api_made_is_used_changed_switched_and_forgotten_while_the_host_serves() {
    let world = World::new();
    let new = |name: &str, connection: Value| json!({"name": name, "connection": connection});
    let (status, made) = world.call("POST", "/api/connections", &new("second", second()));
    assert_eq!((status, &made["kept_in"], &made["used_by"]), (201, &json!("store"), &json!([])), "{made}");
    let all = world.call("GET", "/api/connections", &Value::Null).1;
    let names: Vec<&str> = all.as_array().expect("all").iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["lab-meta", "second"]);
    assert_eq!(all[0]["kept_in"], "file");
    assert_eq!(all[0]["used_by"], json!(["canvas first"]));

    // It is used: the field that it maps leaves, and nothing else.
    let (status, said) = world.publish(&canvas("shop", "second", "main"));
    assert_eq!(status, 200, "{said}");
    world.enters("ann");
    patient("she arrives", || world.members() == hashed(&["ann@club.example"]));
    assert_eq!(world.refused("DELETE", "/api/connections/second", &Value::Null), (409, "CV042".to_owned()));

    // A change holds from the next call on; what is in use does not lose its account.
    let mut changed = second();
    changed["identities"] = json!({"email": "email"});
    let (status, view) = world.call("PUT", "/api/connections/second", &changed);
    assert_eq!((status, &view["identities"]), (200, &json!({"email": "email"})), "{view}");
    world.enters("bob");
    patient("he arrives", || world.members() == hashed(&["ann@club.example", "bob@example.com"]));
    changed["accounts"] = json!({"other": "act_2"});
    assert_eq!(world.refused("PUT", "/api/connections/second", &changed), (409, "CV042".to_owned()));

    // An account that is off gets nothing and is led to by nothing new; on again, people go on at once.
    let switch = |on: bool| world.call("PUT", "/api/connections/second/accounts/main", &json!({"on": on}));
    assert_eq!(switch(false).1["off"], json!(["main"]));
    world.enters("eve");
    let queue = || {
        let queues = world.call("GET", "/api/queues", &Value::Null).1;
        queues.as_array().expect("queues").iter().find(|one| one["connection"] == "second").cloned().expect("its queue")
    };
    patient("its queue is held", || queue()["state"].to_string().contains("account_off"));
    assert_eq!(world.members().len(), 2);
    let (status, said) = world.publish(&canvas("other", "second", "main"));
    assert!(status == 422 && said.to_string().contains("CV043"), "{status} {said}");
    assert_eq!(switch(true).1["off"], json!([]));
    patient("she arrives, too", || world.members().contains(&oracle::sha256("eve@example.com")));

    // Forgotten once nothing uses it.
    assert_eq!(world.call("POST", "/api/canvases/shop/stop", &json!({"now": true})).0, 200);
    let (status, gone) = world.call("DELETE", "/api/connections/second", &Value::Null);
    assert_eq!((status, &gone["audiences"]), (200, &json!(["shop/all"])), "{gone}");
    assert_eq!(world.refused("GET", "/api/connections/second", &Value::Null), (404, "CV024".to_owned()));
    let notes = world.call_as(&world.admin, "GET", "/api/audit?limit=1000", "").1;
    let of = |verb: &str| {
        let notes = notes.as_array().expect("notes").iter();
        notes.filter(|note| note["verb"] == verb && note["object"] == "connection second").count()
    };
    let verbs = ["connection.create", "connection.change", "connection.account", "connection.delete"];
    assert_eq!(verbs.map(of), [1, 1, 2, 1], "{notes}");
}

#[test]
fn what_cannot_be_a_connection_is_refused_with_its_place_and_nothing_is_kept() {
    let world = World::new();
    let new = |name: &str, change: &dyn Fn(&mut Value)| {
        let mut connection = second();
        change(&mut connection);
        world.refused("POST", "/api/connections", &json!({"name": name, "connection": connection}))
    };
    let code = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(new("lab-meta", &|_| {}), code(409, "CV041"));
    assert_eq!(new("No Name", &|_| {}), code(400, "CV004"));
    assert_eq!(new("x", &|one| one["connector"] = json!("/etc/passwd.wasm")), code(422, "CV026"));
    assert_eq!(new("x", &|one| one["connector"] = json!("nobody")), code(422, "CV053"));
    assert_eq!(new("x", &|one| one["secret"] = json!({"env": "HOME"})), code(400, "CV004"));
    assert_eq!(new("x", &|one| one["secrets"] = json!({"k": {"file": "/etc/passwd"}})), code(422, "CV026"));
    assert_eq!(new("x", &|one| one["secrets"] = json!({"k": {"env": "CARAVAN_SEAL_KEY"}})), code(422, "CV026"));
    assert_eq!(new("x", &|one| one["settings"] = json!({"colour": "red"})), code(422, "CV026"));
    assert_eq!(new("x", &|one| one["identities"] = json!({"emial": "email"})), code(422, "CV038"));
    assert_eq!(new("x", &|one| one["off"] = json!(["elsewhere"])), code(422, "CV026"));
    let all = world.call("GET", "/api/connections", &Value::Null).1;
    assert_eq!(all.as_array().expect("all").len(), 1, "{all}");

    // The file's own is changed in the file; its accounts are switched from here.
    assert_eq!(world.refused("PUT", "/api/connections/lab-meta", &second()), code(409, "CV044"));
    assert_eq!(world.refused("DELETE", "/api/connections/lab-meta", &Value::Null), code(409, "CV044"));
    let switch = |account: &str| format!("/api/connections/lab-meta/accounts/{account}");
    assert_eq!(world.refused("PUT", &switch("nobody"), &json!({"on": false})), code(404, "CV025"));
    assert_eq!(world.call("PUT", &switch("main"), &json!({"on": false})).1["off"], json!(["main"]));

    // The command line over the host says the same.
    let arguments = ["connection", "create", "cli", "--connector", "meta", "--lab", "--account", "main=act_1"];
    world.caravan(&arguments).expect(0);
    let more = ["connection", "set", "cli", "--account", "fr=act_2", "--identity", "email=traits.club", "--json"];
    let set = world.caravan(&more).expect(0).json();
    assert_eq!(set["accounts"], json!({"fr": "act_2", "main": "act_1"}), "{set}");
    world.caravan(&["connection", "account", "cli", "fr", "off"]).expect(0);
    let shown = world.caravan(&["connection", "show", "cli", "--json"]).expect(0).json();
    assert_eq!(
        (&shown["off"], &shown["identities"]),
        (&json!(["fr"]), &json!({"email": {"from": "traits.club"}})),
        "{shown}"
    );
    assert!(world.caravan(&["connection", "create", "cli", "--connector", "meta"]).expect(2).stderr.contains("CV041"));
    world.caravan(&["connection", "delete", "cli", "--yes"]).expect(0);
    assert_eq!(world.caravan(&["connection", "list", "--json"]).expect(0).json().as_array().map(Vec::len), Some(1));
}

#[test]
fn the_command_line_keeps_connections_in_a_store_that_needs_no_file_for_them() {
    let (place, lab) = (Place::new(), Place::new().lab());
    place.write("canvas.yaml", canvas("shop", "shop", "main"));
    place.write("users.csv", "external_id,email,club\nann,ann@example.com,ann@club.example\n");
    let on = |arguments: &[&str]| place.run([arguments, &["--store", "s.caravan"]].concat());
    on(&["key", "add", "k", "--rights", "admin"]).expect(0);
    let words = ["connection", "create", "shop", "--connector", "meta", "--lab", "--account", "main=act_1"];
    on(&[&words[..], &["--identity", "email=traits.club"]].concat()).expect(0);
    let run = || on(&["run", "canvas.yaml", "--users", "users.csv", "--lab", &lab.url, "--again"]);
    run().expect(0);
    let keys = keys_of(&lab, &audience_named(&lab, "shop").expect("one")).expect("members");
    assert_eq!(keys["EMAIL"], hashed(&["ann@club.example"]));

    // A name stands in one place alone.
    place.write("connections.yaml", FILE.replace("lab-meta", "shop"));
    let twice = run().expect(2).stderr;
    assert!(twice.contains("CV041") && twice.contains("connections.yaml:3"), "{twice}");
    place.write("connections.yaml", FILE);

    on(&["connection", "account", "shop", "main", "off"]).expect(0);
    assert!(run().expect(2).stderr.contains("CV043"));
    on(&["connection", "account", "shop", "main", "on"]).expect(0);
    run().expect(0);
    let refused = on(&["connection", "delete", "shop", "--yes"]).expect(2).stderr;
    assert!(refused.contains("CV042") && refused.contains("canvas shop"), "{refused}");
    on(&["canvas", "stop", "shop", "--now", "--yes"]);
    on(&["connection", "delete", "shop", "--yes"]).expect(0);
    let left = on(&["connection", "list", "--json"]).expect(0).json();
    assert_eq!((left.as_array().map(Vec::len), &left[0]["name"]), (Some(1), &json!("lab-meta")), "{left}");

    // One of the file: its account is switched in the store, and its line is said.
    on(&["connection", "account", "lab-meta", "main", "off"]).expect(0);
    place.write("canvas.yaml", canvas("shop", "lab-meta", "main"));
    let off = run().expect(2).stderr;
    assert!(off.contains("CV043") && off.contains("canvas.yaml:4"), "{off}");
}
