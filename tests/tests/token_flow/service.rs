//! A service account, which signs for its tokens.
use crate::consents::Consenting;
use caravan_tests::{Place, Ran, state_of};
use rsa::pkcs1::EncodeRsaPublicKey as _;
use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};
use serde_json::json;
use xtask::totals;

/// A key file as Google writes it, and the public key that Google keeps.
fn service_account() -> (String, String) {
    let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2_048).expect("a key");
    let private = key.to_pkcs8_pem(LineEnding::LF).expect("PEM").to_string();
    let public = key.to_public_key().to_pkcs1_pem(LineEnding::LF).expect("PEM");
    let file = json!({"type": "service_account", "private_key_id": "k1", "private_key": private,
        "client_email": "caravan@acme.iam.gserviceaccount.com"});
    (file.to_string(), public)
}

#[test]
fn googles_service_account_signs_for_its_tokens_and_another_key_gets_none() {
    let google = Consenting {
        partner: "google",
        account: "1000000001",
        kind: " kind: CONTACT_ID,",
        refreshed: true,
        ends_by_request: true,
    };
    let (place, lab) = (google.place(), Place::new().lab());
    place.run(["key", "add", "k", "--rights", "admin", "--store", "s.caravan"]).expect(0);
    let ((file, public), (_, strange)) = (service_account(), service_account());
    let known = |public: &str| {
        let accounts = json!({"caravan@acme.iam.gserviceaccount.com": public});
        lab.post("/_lab/settings", &json!({"google": {"service_accounts": accounts}})).expect("settings");
    };
    known(&public);
    place.write("app.secret", &file);
    let words = ["connection", "token", "by-app", "--service-account-stdin", "--store", "s.caravan", "--lab", &lab.url];
    let typed = std::fs::File::open(place.path("app.secret")).expect("it is there");
    Ran::of(place.caravan(words).arg("--yes").stdin(typed)).expect(0);
    let ran = google.run(&place, &lab, "a.csv").expect(0);
    assert_eq!(totals::of_status(&ran.json(), "synced"), 1, "{ran:?}");

    // Google has another key for the account: the signature does not fit, and nothing of the key is told.
    known(&strange);
    let ran = google.run(&place, &lab, "b.csv");
    assert!(state_of(&ran.json()).starts_with("held-unauthorized"), "{ran:?}");
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("gives the service account no token (invalid_grant)") && !said.contains("PRIVATE"), "{said}");
    for file in std::fs::read_dir(place.path(".")).expect("the folder").map(|file| file.expect("a file").path()) {
        if file.is_file() && !file.ends_with("app.secret") {
            let bytes = std::fs::read(&file).expect("read");
            assert!(!String::from_utf8_lossy(&bytes).contains("PRIVATE KEY"), "{}", file.display());
        }
    }
    known(&public);
    assert_eq!(totals::of_status(&google.run(&place, &lab, "b.csv").expect(0).json(), "synced"), 2);
}
