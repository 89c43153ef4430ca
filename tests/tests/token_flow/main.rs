//! A connection that keeps an app instead of a token: the host gets tokens at the partner's endpoint, renews them before
//! they end, gets another once one is refused, and shows neither token nor secret to anybody.
mod apps;
mod consents;
mod paced;
mod platform;
mod seen;
mod service;

use caravan_tests::{Lab, Place, Ran};

const SECRET: &str = "the-apps-own-secret";

/// A folder with one connection by an app, whose secret is in a file, and a canvas over it.
fn place(partner: &str, account: &str, settings: &str) -> Place {
    let place = Place::new();
    place.write(
        "connections.yaml",
        format!(
            "format: 1\nconnections:\n  by-app:\n    connector: {partner}\n    lab: true\n    accounts: {{ main: \
             {account:?} }}\n    app: {{ id: app-1, secret: {{ file: app.secret }} }}\n{settings}"
        ),
    );
    place.write(
        "in.yaml",
        "format: 1\ncanvas: in\naudiences:\n  people: { connection: by-app, account: main, name: People, if_missing: \
         create }\nentry: { trigger: { event: e }, start: sync }\nsteps:\n  sync: { audience_sync: { audience: people, \
         action: add, match: [email] }, next: exit }\n",
    );
    place.write("app.secret", SECRET);
    for name in ["a", "b", "c"] {
        place.write(&format!("{name}.csv"), format!("external_id,email\n{name},{name}@example.com\n"));
    }
    place
}

fn run(place: &Place, lab: &Lab, users: &str) -> Ran {
    let words = ["run", "in.yaml", "--users", users, "--store", "s.caravan", "--lab", &lab.url, "--json"];
    place.run(words)
}
