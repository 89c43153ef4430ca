//! Normalising and hashing, written a second time from the partners' contracts, for comparison. It shares no code with
//! the host; phone numbers are parsed by another library, which the caller passes in.
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// A row of a users file: column → cell.
pub type Row = BTreeMap<String, String>;

/// Reads a users file.
pub fn read(file: &std::path::Path) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(file).expect("a users file");
    let header = reader.headers().expect("a header").clone();
    let rows = reader.records().map(|record| record.expect("a row"));
    rows.map(|record| header.iter().map(str::to_owned).zip(record.iter().map(str::to_owned)).collect()).collect()
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The values of a cell that may hold several.
pub fn several(cell: &str) -> Vec<String> {
    cell.split(';').map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()).collect()
}

/// `meta.md` section 4, EMAIL: trimmed, lower case; none where it is no address.
pub fn email(value: &str) -> Option<String> {
    let value = value.trim().to_lowercase();
    let (local, domain) = value.split_once('@')?;
    let good =
        !local.is_empty() && domain.contains('.') && !domain.contains('@') && !value.contains(char::is_whitespace);
    let dots = domain.split('.').all(|label| !label.is_empty());
    (good && dots).then_some(value)
}

/// `google.md` section 4: white space out, lower case; at Gmail without dots and tag.
pub fn google_email(value: &str) -> Option<String> {
    let compact: String = value.chars().filter(|c| !c.is_whitespace()).collect();
    let address = email(&compact)?;
    let (local, domain) = address.split_once('@')?;
    Some(match domain {
        "gmail.com" | "googlemail.com" => {
            let local: String = local.split('+').next().unwrap_or_default().replace('.', "");
            format!("{local}@{domain}")
        }
        _ => address,
    })
}

/// FN, LN: lower case, punctuation out, inner spaces kept.
pub fn name(value: &str) -> Option<String> {
    let kept: String = value.trim().to_lowercase().chars().filter(|c| c.is_alphanumeric() || *c == ' ').collect();
    let kept = kept.trim().to_owned();
    (!kept.is_empty()).then_some(kept)
}

/// Whether consent or *do not sell* keeps an add from being sent.
pub fn blocked(row: &Row) -> bool {
    let consents = row.get("consents").map(String::as_str).unwrap_or_default();
    let denied = consents.split(';').any(|pair| pair.trim() == "advertising=denied");
    denied || row.get("do_not_sell_or_share").is_some_and(|cell| cell == "true")
}
