//! The rules against the partners' vectors, the peers' traps, and properties.
mod columns;
mod mapped;
mod phones;
mod properties;
mod traps;
mod vectors;
mod vectors_google;
mod vectors_one_kind;

use caravan_identity::{Alpha2, Place};
use caravan_model::Manifest;
use caravan_model::manifest::{Setting, SettingKind};

/// A place with a profile's country and a default country; `""` is unknown.
fn place(country: &str, default_country: &str) -> Place {
    let read = |text: &str| (!text.is_empty()).then(|| Alpha2::parse(text).unwrap());
    Place { country: read(country), default_country: read(default_country) }
}

/// A connector that takes what Meta takes, and a few keys that show other rules.
fn manifest() -> Manifest {
    let key = |key: &str, name: &str, field: &str, rule: &str, hash: &str, more: &str| {
        format!(
            r#"{{"key":"{key}","title":"{key}","sources":[{{"name":"{name}","field":"{field}"}}],"rule":"{rule}","hash":"{hash}"{more}}}"#
        )
    };
    let helps = r#","identifies":false"#;
    let tagless = r#","variants":[{"setting":"email_form","value":"no-tag","rule":"email-no-tag"}]"#;
    let address = r#","identifies":false,"with":["HOUSE_ZIP"]"#;
    let device = r#"{"key":"MADID","title":"Advertising id","sources":[{"name":"idfa","field":"idfa"},{"name":"gaid","field":"gaid"}],"rule":"ad-id","hash":"none","device":true}"#;
    let keys = [
        key("EMAIL", "email", "email", "email", "sha256-hex", tagless),
        key("PHONE", "phone", "phone", "phone-digits", "sha256-hex", ""),
        key("FN", "first_name", "first_name", "name", "sha256-hex", helps),
        key("FI", "initial", "first_name", "initial", "sha256-hex", helps),
        key("CT", "city", "city", "city", "sha256-hex", helps),
        key("COUNTRY", "country", "country", "country", "sha256-hex", helps),
        key("HOUSE", "house", "last_name", "name", "none", r#","with":["HOUSE_ZIP"]"#),
        key("HOUSE_ZIP", "house_zip", "zip", "zip", "none", address)
            .replace(r#""with":["HOUSE_ZIP"]"#, r#""with":["HOUSE"]"#),
        device.to_owned(),
        key("EXTERN_ID", "external_id", "external_id", "trim", "none", ""),
    ];
    let text = format!(
        r#"{{"manifest":1,"name":"acme","title":"Acme","version":"1.0.0","wit":"0.1.0","world":"destination",
        "publisher":{{"name":"Acme"}},"hosts":[],"routes":[],"auth":{{}},"actions":["add","remove"],
        "keys":[{}]}}"#,
        keys.join(",")
    );
    let mut manifest: Manifest = serde_json::from_str(&text).unwrap();
    let values = ["plain", "no-tag"].map(str::to_owned).to_vec();
    manifest.settings.push(Setting {
        name: "email_form".into(),
        title: "E-mail".into(),
        kind: SettingKind::Choice { values, default: "plain".into() },
    });
    manifest
}
