//! What names a stranger's component: a reference into a registry, a key, a signature behind the bytes, a grant.
use caravan_connectors::{GrantFile, OciReference, PublicKey, is_signed, signers};

/// Whatever a text is, a reference that can be read names one place alone, and is printed and read the same; so is a key.
/// Whatever bytes are, nobody has signed them whose key is not in them, and a grant that can be read stays the same.
///
/// # Panics
/// It does not hold.
pub fn holds(bytes: &[u8]) {
    if let Ok(keys) = signers(bytes) {
        assert!(keys.is_empty() || is_signed(bytes));
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(grant) = serde_saphyr::from_str::<GrantFile>(&text) {
        let printed = serde_json::to_string(&grant).expect("a grant can be printed");
        let again: GrantFile = serde_json::from_str(&printed).expect("what was printed can be read");
        assert_eq!((again.grant(), again.names()), (grant.grant(), grant.names()));
    }
    for line in text.lines() {
        if let Ok(key) = line.parse::<PublicKey>() {
            assert_eq!(key.to_string().parse(), Ok(key));
            assert!(key.to_string().eq_ignore_ascii_case(line.trim()));
        }
        let Ok(reference) = line.parse::<OciReference>() else { continue };
        let printed = reference.to_string();
        assert_eq!(printed.parse::<OciReference>().expect("what was printed can be read"), reference);
        assert!(printed.bytes().all(|b| b.is_ascii_graphic() && !b"?#\\%".contains(&b)), "{printed}");
        // The place that is asked, as a naive reader of addresses sees it.
        let registry = printed.strip_prefix("oci://").and_then(|rest| rest.split('/').next()).unwrap_or_default();
        assert_eq!(registry, reference.registry);
        assert!(!registry.contains('@') && !registry.is_empty());
        assert!(!reference.name.split('/').any(|piece| piece.is_empty() || piece == "." || piece == ".."));
    }
}
