//! Whether a request is inside a grant, read by hand from the URL's text: an oracle that shares no code with the host and
//! knows no library of URLs.
use std::collections::BTreeSet;

/// A granted route under a connection's settings, for the step's own ids; only `{any}` and, for a whole query value, `*`
/// are still open.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) name: String,
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    /// Query parameters that the host sets.
    pub(crate) injected: Vec<String>,
}

/// Says why a request is outside a route.
pub(crate) fn allowed(route: &Asked, method: &str, url: &str) -> Result<(), String> {
    if method != route.method {
        return Err(format!("its method is {method}"));
    }
    // Schemes are the same in either case (RFC 3986, 3.1).
    let scheme = url.get(..8).filter(|start| start.eq_ignore_ascii_case("https://")).ok_or("no https")?;
    let rest = &url[scheme.len()..];
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let host = authority.strip_suffix(":443").unwrap_or(authority);
    if host != route.host {
        return Err(format!("its authority is `{authority}`"));
    }
    public_name(host)?;
    let rest = rest.split('#').next().unwrap_or_default();
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = if path.is_empty() { "/" } else { path };
    let wanted: Vec<&str> = route.path.split('/').collect();
    let given: Vec<&str> = path.split('/').collect();
    if wanted.len() != given.len() {
        return Err(format!("its path has {} segments", given.len()));
    }
    for (wanted, given) in wanted.into_iter().zip(given) {
        let given = decoded(given, false)?;
        if !like(wanted, &given) {
            return Err(format!("`{given}` stands where the route has `{wanted}`"));
        }
        let first = given.split(';').next().unwrap_or_default();
        if given.contains(['/', '\\']) || given.chars().any(char::is_control) || [".", ".."].contains(&first) {
            return Err(format!("`{given}` is no plain segment"));
        }
    }
    let mut seen: Vec<String> = Vec::new();
    for pair in query.split(['&', ';']).filter(|_| !query.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name, true)?, decoded(value, true)?);
        if route.injected.contains(&name) || seen.contains(&name) {
            return Err(format!("its parameter `{name}` is the host's, or stands twice"));
        }
        let template = route.query.iter().find(|(known, _)| *known == name).map(|(_, template)| template.as_str());
        match template {
            Some("*") if !value.chars().any(char::is_control) => {}
            Some(template) if template != "*" && like(template, &value) => {}
            _ => return Err(format!("its parameter `{name}` is `{value}`")),
        }
        seen.push(name);
    }
    Ok(())
}

/// A name of the public DNS in lower case: no address however written, nothing local.
fn public_name(host: &str) -> Result<(), String> {
    let labels: Vec<&str> = host.split('.').collect();
    let plain = |label: &&str| {
        let bytes = label.as_bytes();
        let inner = bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        inner && matches!(bytes, [first, ..] if *first != b'-') && bytes.last() != Some(&b'-') && bytes.len() < 64
    };
    let top = labels.last().copied().unwrap_or_default();
    let named = top.starts_with(|c: char| c.is_ascii_lowercase());
    let local = ["localhost", "local", "internal", "arpa"].contains(&top);
    match labels.len() >= 2 && labels.iter().all(plain) && named && !local && host.len() < 254 {
        true => Ok(()),
        false => Err(format!("`{host}` is no public name")),
    }
}

/// Decodes `%41`, and `+` where a query has it.
fn decoded(text: &str, query: bool) -> Result<String, String> {
    let broken = || format!("`{text}` is not encoded well");
    let mut bytes = Vec::new();
    let mut at = 0;
    let raw = text.as_bytes();
    while at < raw.len() {
        if raw[at] == b'%' {
            let digits = text.get(at + 1..at + 3).filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
            bytes.push(u8::from_str_radix(digits.ok_or_else(broken)?, 16).map_err(|_| broken())?);
            at += 3;
        } else {
            bytes.push(if query && raw[at] == b'+' { b' ' } else { raw[at] });
            at += 1;
        }
    }
    String::from_utf8(bytes).map_err(|_| broken())
}

/// Whether a text is the template with something plain at each `{any}`. Where a piece may end is kept as a set, so that no
/// end is tried twice: a template with many places would else take for ever, here and in the host, and nobody would know.
pub(crate) fn like(template: &str, text: &str) -> bool {
    let mut pieces = template.split("{any}");
    let first = pieces.next().unwrap_or_default();
    let mut ends: BTreeSet<usize> = text.starts_with(first).then_some(first.len()).into_iter().collect();
    for piece in pieces {
        let mut further = BTreeSet::new();
        for start in ends {
            for (at, c) in text[start..].char_indices() {
                let end = start + at + c.len_utf8();
                let any = &text[start..end];
                if c.is_control() || ['/', '\\', '%', '?', '#', ';'].contains(&c) || any.ends_with("..") {
                    break;
                }
                if any != "." && text[end..].starts_with(piece) {
                    further.insert(end + piece.len());
                }
            }
        }
        ends = further;
    }
    ends.contains(&text.len())
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn the_oracle_too_reads_a_value_that_can_be_cut_in_very_many_ways() {
        let bomb = format!("{}x", "{any}".repeat(7));
        assert!(!like(&bomb, &"a".repeat(200)) && like(&bomb, &format!("{}x", "a".repeat(200))));
        assert!(like("a{any}b", "axb") && like("{any}", ".a") && like("a", "a"));
        for (template, text) in [("a{any}b", "ab"), ("{any}", "."), ("{any}", "a..b"), ("{any}", "a/b"), ("a", "ab")] {
            assert!(!like(template, text), "{template} {text}");
        }
    }
}
