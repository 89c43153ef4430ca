use super::events::Events;
use super::*;
use caravan_model::{Consent, Millis};
use serde_json::json;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder for tests"))
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).expect("a file for tests");
        path
    }
}

/// All rows: number, line, and the id or the reason.
fn rows(path: &Path) -> Vec<(u64, u64, String)> {
    let mut users = Users::open(path).expect("opens");
    let mut rows = Vec::new();
    while let Some(row) = users.next_row().expect("reads") {
        rows.push((row.number, row.line, row.person.map_or_else(|reason| format!("! {reason}"), |p| p.external_id)));
    }
    rows
}

fn only(path: &Path) -> Profile {
    let mut users = Users::open(path).expect("opens");
    let row = users.next_row().expect("reads").expect("a row");
    row.person.expect("a person")
}

fn row(number: u64, line: u64, text: &str) -> (u64, u64, String) {
    (number, line, text.to_owned())
}

#[test]
fn a_row_fills_all_fields() {
    let folder = Folder::new();
    let path = folder.file(
        "users.csv",
        "\u{feff}external_id,emails,phone,first_name,birth_date,aliases,ad_tracking_enabled,do_not_sell_or_share,consents,attributes,plan,code,country,score,old,tags,big\r\n\
         u1,a@example.com;b@example.com,\"[\"\"+33 6 12\"\", 33613]\",Zoë,1985-07-03,x; y,yes,0,advertising=granted;email=denied,\"{\"\"tier\"\":{\"\"n\"\":1}}\",pro,007,NO,1.5,true,\"[1,2]\",12345678901234567890\r\n",
    );
    let person = only(&path);
    assert_eq!(person.external_id, "u1");
    assert_eq!(person.emails, ["a@example.com", "b@example.com"]);
    assert_eq!(person.phones, ["+33 6 12", "33613"]);
    assert_eq!(person.aliases, ["x", "y"]);
    assert_eq!((person.first_name.as_deref(), person.birth_date.as_deref()), (Some("Zoë"), Some("1985-07-03")));
    assert_eq!((person.ad_tracking_enabled, person.do_not_sell_or_share), (Some(true), Some(false)));
    assert_eq!((person.consent("advertising"), person.consent("email")), (Consent::Granted, Consent::Denied));
    assert_eq!(person.country.as_deref(), Some("NO"));
    let attributes = json!({"tier": {"n": 1}, "plan": "pro", "code": "007", "score": 1.5, "old": true, "tags": [1, 2],
        "big": "12345678901234567890"});
    assert_eq!(serde_json::Value::Object(person.attributes), attributes);
}

#[test]
fn a_bad_row_costs_only_itself() {
    let folder = Folder::new();
    let mut bytes = b"external_id,first_name,birth_date\n".to_vec();
    bytes.extend_from_slice(b"a,Ann,1985-02-29\n"); // not in the calendar
    bytes.extend_from_slice(b"b,\"two\nlines\",\n"); // quoted line end
    bytes.extend_from_slice(b"c,\"never closed,\n"); // a stray quote…
    bytes.extend_from_slice(b"d,Dan,\n");
    bytes.extend_from_slice(b"e,\"E\",1985-07-03\n"); // …which this one would close
    bytes.extend_from_slice(b"f,too,many,cells\n");
    bytes.extend_from_slice(b"g\n");
    bytes.extend_from_slice(b"\r\n\n");
    bytes.extend_from_slice(b"h,\xff\xfe,\n");
    bytes.extend_from_slice(b" ,blank,\n");
    bytes.extend_from_slice(b"i,say \"hi\" plainly,\n");
    bytes.extend_from_slice(b"j,\"open to the end,\nk,K,");
    let path = folder.file("nasty.csv", bytes);
    assert_eq!(
        rows(&path),
        [
            row(0, 2, "! birth_date is no date as YYYY-MM-DD"),
            row(1, 3, "b"),
            row(2, 5, "! there is text after a closing quote"),
            row(3, 6, "d"),
            row(4, 7, "e"),
            row(5, 8, "! the row has 4 cells where the first line has 3"),
            row(6, 9, "! the row has 1 cell where the first line has 3"),
            row(7, 12, "! the row is not in UTF-8"),
            row(8, 13, "! external_id is missing"),
            row(9, 14, "i"),
            row(10, 15, "! a quote is opened and never closed"),
            row(11, 16, "k"),
        ]
    );
}

#[test]
fn long_cells_are_no_trouble_and_endless_ones_end() {
    let folder = Folder::new();
    let name = "x".repeat(200_000);
    let path = folder.file("long.csv", format!("external_id,first_name\na,{name}\nb,\"{name}\"\nc,C\n"));
    assert_eq!(rows(&path), [row(0, 2, "a"), row(1, 3, "b"), row(2, 4, "c")]);
    let endless = "y".repeat(5 << 20);
    let path = folder.file("endless.csv", format!("external_id,first_name\na,{endless}\nb,\"{endless}\nc,C\n"));
    let reason = "! the row is longer than 4 MiB, or a quote is opened and never closed";
    assert_eq!(rows(&path), [row(0, 2, reason), row(1, 3, reason), row(2, 4, "c")]);
}

#[test]
fn rows_that_straddle_the_window_stay_whole() {
    let folder = Folder::new();
    let mut text = "external_id,first_name,note\r\n".to_owned();
    for i in 0..20_000 {
        text.push_str(&format!("u{i},\"Name \"\"{i}\"\"\",\"first\r\nsecond {i}\"\r\n"));
    }
    let path = folder.file("many.csv", text);
    let mut users = Users::open(&path).expect("opens");
    for i in 0..20_000 {
        let row = users.next_row().expect("reads").expect("a row");
        let person = row.person.expect("a person");
        assert_eq!((row.number, row.line), (i, 2 + 2 * i));
        assert_eq!(person.first_name, Some(format!("Name \"{i}\"")));
        assert_eq!(person.attributes["note"], format!("first\r\nsecond {i}"));
    }
    assert!(users.next_row().expect("reads").is_none());
    assert_eq!(users.position(), users.size);
}

#[test]
fn other_delimiters_are_seen() {
    let folder = Folder::new();
    let path = folder.file("semicolon.csv", "external_id;emails\na;\"x@example.com;y@example.com\"\n");
    assert_eq!(only(&path).emails, ["x@example.com", "y@example.com"]);
    let path = folder.file("tab.tsv", "external_id\tcity\na\tSão Paulo\n");
    assert_eq!(only(&path).city.as_deref(), Some("São Paulo"));
}

#[test]
fn extensions_of_phones_are_not_cut_off() {
    let folder = Folder::new();
    let path = folder.file("ext.csv", "external_id,phones\na,tel:+33-1;ext=5;+33 2\n");
    assert_eq!(only(&path).phones, ["tel:+33-1;ext=5", "+33 2"]);
}

#[test]
fn text_that_only_looks_like_a_number_stays_text() {
    let folder = Folder::new();
    let cells = ["007", "+1", "1e5", "1.", ".5", "0x1", "NO", "on", "null", "-", "1234567890123456", "{broken", "1,5"];
    for cell in cells {
        let path = folder.file("one.csv", format!("external_id,it\na,\"{cell}\"\n"));
        assert_eq!(only(&path).attributes["it"], json!(cell), "{cell}");
    }
    for (cell, value) in [("0", json!(0)), ("-12", json!(-12)), ("0.50", json!(0.5)), ("FALSE", json!(false))] {
        let path = folder.file("one.csv", format!("external_id,it\na,{cell}\n"));
        assert_eq!(only(&path).attributes["it"], value, "{cell}");
    }
}

#[test]
fn a_file_without_people_is_refused_as_a_whole() {
    let folder = Folder::new();
    for (name, bytes, message) in [
        ("empty.csv", b"".as_slice(), "the file is empty"),
        ("noid.csv", b"id,email\n1,a@example.com\n", "there is no column `external_id`"),
        ("twice.csv", b"external_id,plan,plan\n", "the column `plan` is there twice"),
        ("utf16.csv", b"\xff\xfee\0x\0", "the file is in UTF-16"),
        ("array.json", b"[{\"external_id\":\"a\"}]", "the file is one JSON array"),
    ] {
        let problem = Users::open(&folder.file(name, bytes)).expect_err(name);
        assert_eq!((problem.code, problem.message.as_str(), problem.line), (Code::UserRow, message, Some(1)));
        assert!(problem.cure.is_some(), "{name}");
    }
    let gone = Users::open(&folder.0.path().join("gone.csv")).expect_err("gone");
    assert_eq!(gone.code, Code::UnreadableFile);
}

#[test]
fn a_misspelt_column_is_an_attribute_with_a_warning() {
    let folder = Folder::new();
    let users = Users::open(&folder.file("near.csv", "external_id,First Name,E-mail\n")).expect("opens");
    assert_eq!(
        users.warnings,
        [
            "the column `First Name` is kept as an attribute; the field is called `first_name`",
            "the column `E-mail` is kept as an attribute; the field is called `email`",
        ]
    );
}

#[test]
fn json_lines_read_like_csv() {
    let folder = Folder::new();
    let lines = concat!(
        r#"{"external_id": 7, "emails": ["a@example.com", null], "phone": 33612, "consents": {"advertising": true}, "plan": {"tier": "pro"}}"#,
        "\n\n",
        r#"{"external_id": "b", "birth_date": "1985-13-01"}"#,
        "\n{broken\n[1]\n",
        r#"{"external_id": "c", "consents": {"advertising": "maybe"}}"#,
        "\n",
        r#"{"external_id": "d", "first_name": ["x"], "gender": null}"#,
        "\n",
        r#"{"external_id": "e", "attributes": {"a": 1}, "b": null}"#,
    );
    let path = folder.file("people.txt", lines);
    let person = only(&path);
    assert_eq!((person.external_id.as_str(), person.phones.as_slice()), ("7", ["33612".to_owned()].as_slice()));
    assert_eq!((person.emails.len(), person.consent("advertising")), (1, Consent::Granted));
    assert_eq!(person.attributes["plan"]["tier"], "pro");
    assert_eq!(
        rows(&path),
        [
            row(0, 1, "7"),
            row(1, 3, "! birth_date is no date as YYYY-MM-DD"),
            row(2, 4, "! the line is no JSON: broken at character 2"),
            row(3, 5, "! the line is no JSON object"),
            row(4, 6, "! the consent for `advertising` is none of granted, denied and unknown"),
            row(5, 7, "! first_name cannot be a list"),
            row(6, 8, "e"),
        ]
    );
}

#[test]
fn events_are_read_line_by_line() {
    let folder = Folder::new();
    let lines = concat!(
        r#"{"external_id": "a", "event": "lapsed", "at": "2026-11-12T09:00:00.25+01:00", "properties": {"plan": "pro"}, "message_id": "m1"}"#,
        "\n",
        r#"{"external_id": "a", "event": "lapsed", "at": "yesterday"}"#,
        "\n",
        r#"{"external_id": "a", "event": "lapsed", "at": "2026-11-12T09:00:00Z", "plan": "pro"}"#,
        "\n",
    );
    let mut events = Events::open(&folder.file("events.jsonl", lines)).expect("opens");
    let mut next = || events.next_row().expect("reads").expect("a line").said;
    let said = next().expect("an event");
    assert_eq!((said.external_id.as_str(), said.message_id.as_deref()), ("a", Some("m1")));
    assert_eq!((said.event.name.as_str(), said.event.at), ("lapsed", Millis(1_794_470_400_250)));
    assert_eq!(next(), Err("at is no instant as 2026-11-12T09:00:00Z (RFC 3339)".to_owned()));
    assert_eq!(next(), Err("there is no field `plan` in an event; put it into `properties`".to_owned()));
}

#[test]
fn the_digest_is_of_the_bytes_alone() {
    let folder = Folder::new();
    let one = Users::open(&folder.file("one.csv", "external_id\na\n")).expect("opens");
    let two = Users::open(&folder.file("two.csv", "external_id\na\n")).expect("opens");
    assert_eq!((one.digest, one.size), (Digest::of(b"external_id\na\n"), 14));
    assert_eq!(one.digest, two.digest);
}
