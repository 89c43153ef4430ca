//! Signatures of components: Ed25519 (RFC 8032) over the digest and the manifest.
//!
//! A signature travels inside the file, as a custom section `caravan:signature` at its very end, so that a registry, a folder,
//! the API and the store keep both together. Its 97 bytes are a version (1), the public key and the signature. What is signed
//! are the bytes before the first signature: several may follow each other, and none says anything of another.
use crate::section;
use caravan_model::{Code, Digest, Problem};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use std::fmt;
use std::str::FromStr;

/// The section's name.
const NAME: &[u8] = b"caravan:signature";
/// Version, key, signature.
const DATA: usize = 1 + 32 + 64;
/// A whole section: its id, its length, its name's length, its name, its data. Both lengths take one byte.
const WHOLE: usize = 3 + NAME.len() + DATA;
/// What a signature is about, so that none made for something else holds here.
const ABOUT: &[u8] = b"caravan connector signature 1\n";
/// How a public key's text begins.
const PUBLIC: &str = "ed25519:";
/// How a secret key's text begins.
const SECRET: &str = "caravan-signing-key:";
/// The most signatures that are looked at.
const MOST: usize = 16;

/// Whose signatures count: the public half, as a policy names it.
///
/// ```
/// use caravan_connectors::{PublicKey, SigningKey};
/// let key = SigningKey::generate().unwrap();
/// let text = key.public().to_string();
/// assert!(text.starts_with("ed25519:") && text.len() == 72);
/// assert_eq!(text.parse::<PublicKey>().unwrap(), key.public());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PUBLIC)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for PublicKey {
    type Err = String;

    fn from_str(text: &str) -> Result<PublicKey, String> {
        let wrong =
            || format!("a public key is `{PUBLIC}` and 64 hexadecimal digits, as `caravan connector keygen` prints it");
        text.trim().strip_prefix(PUBLIC).and_then(bytes_of).map(PublicKey).ok_or_else(wrong)
    }
}

/// The secret half. It has no `Debug`, and is shown by [`SigningKey::secret`] alone.
pub struct SigningKey {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// A new one, of this machine's randomness.
    ///
    /// # Errors
    /// CV099 where the machine gives none.
    pub fn generate() -> Result<SigningKey, Problem> {
        let mut seed = [0; 32];
        let unlucky = |_| Problem::new(Code::Internal, "this machine gives no randomness");
        SystemRandom::new().fill(&mut seed).map_err(unlucky)?;
        SigningKey::of(seed)
    }

    fn of(seed: [u8; 32]) -> Result<SigningKey, Problem> {
        match Ed25519KeyPair::from_seed_unchecked(&seed) {
            Ok(pair) => Ok(SigningKey { seed, pair }),
            Err(_) => Err(Problem::new(Code::BadValue, "this is no signing key")),
        }
    }

    /// Reads a key's file.
    ///
    /// # Errors
    /// CV004 where the text is none; the text is not repeated.
    pub fn read(text: &str) -> Result<SigningKey, Problem> {
        let seed = text.trim().strip_prefix(SECRET).and_then(bytes_of);
        let seed = seed.ok_or_else(|| {
            Problem::new(Code::BadValue, "this is no signing key").cure("make one: `caravan connector keygen FILE`")
        })?;
        SigningKey::of(seed)
    }

    /// The text that a key's file has: a secret.
    pub fn secret(&self) -> String {
        let digits: String = self.seed.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{SECRET}{digits}\n")
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey(key)
    }

    /// A component with a signature by this key more.
    ///
    /// # Errors
    /// CV050, CV052 where the bytes are no component with a manifest.
    pub fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, Problem> {
        let (signed, _) = split(bytes);
        let signature = self.pair.sign(&message(signed)?);
        let mut with = bytes.to_owned();
        with.extend([0, (WHOLE - 2) as u8, NAME.len() as u8]);
        with.extend(NAME);
        with.push(1);
        with.extend(self.public().0);
        with.extend(signature.as_ref());
        Ok(with)
    }
}

/// The keys whose signatures in a component hold. Who else signed, and what was changed after signing, is not told.
///
/// # Errors
/// CV050, CV052 where the bytes are no component with a manifest.
pub fn signers(bytes: &[u8]) -> Result<Vec<PublicKey>, Problem> {
    let (signed, signatures) = split(bytes);
    if signatures.is_empty() {
        return Ok(Vec::new());
    }
    let message = message(signed)?;
    let holds = |(key, signature): &([u8; 32], &[u8])| {
        UnparsedPublicKey::new(&ED25519, key).verify(&message, signature).is_ok()
    };
    Ok(signatures.into_iter().filter(holds).map(|(key, _)| PublicKey(key)).collect())
}

/// A key, and a signature by it.
type Signed<'a> = ([u8; 32], &'a [u8]);

/// Whether a component carries signatures at all, whether or not they hold.
pub fn is_signed(bytes: &[u8]) -> bool {
    !split(bytes).1.is_empty()
}

/// What is signed, and the signatures behind it: key and signature. That the bytes before them are a whole component is
/// known once a signature of them holds: only such are signed.
fn split(bytes: &[u8]) -> (&[u8], Vec<Signed<'_>>) {
    let (mut rest, mut found) = (bytes, Vec::new());
    while found.len() < MOST
        && let Some((before, section)) = rest.len().checked_sub(WHOLE).map(|at| rest.split_at(at))
        && let Some(data) =
            section.strip_prefix(&[0, (WHOLE - 2) as u8, NAME.len() as u8]).and_then(|rest| rest.strip_prefix(NAME))
        && let Some(([1, key @ ..], signature)) = data.split_first_chunk::<33>()
    {
        found.push((*key, signature));
        rest = before;
    }
    (rest, found)
}

/// What a signature is made over.
fn message(signed: &[u8]) -> Result<Vec<u8>, Problem> {
    let anatomy = section::dissect(signed)?;
    let manifest = anatomy.manifest.ok_or_else(|| section::bad("it has no section `caravan:manifest`"))?;
    Ok([
        ABOUT,
        format!("component sha256:{}\nmanifest sha256:{}\n", Digest::of(signed), Digest::of(&manifest)).as_bytes(),
    ]
    .concat())
}

fn bytes_of(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest component with a manifest's section, which says what it is given.
    fn component(manifest: &[u8]) -> Vec<u8> {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        let name = b"caravan:manifest";
        bytes.extend([0, (1 + name.len() + manifest.len()) as u8, name.len() as u8]);
        bytes.extend(name);
        bytes.extend(manifest);
        bytes
    }

    #[test]
    fn a_signature_holds_for_exactly_the_bytes_that_were_signed() {
        let key = SigningKey::generate().unwrap();
        let plain = component(b"{\"a\":1}");
        assert!(!is_signed(&plain) && signers(&plain).unwrap().is_empty());
        let signed = key.sign(&plain).unwrap();
        assert_eq!((signers(&signed).unwrap(), signed.len()), (vec![key.public()], plain.len() + WHOLE));
        // Each byte before the signature, and of the key and the signature themselves, counts.
        for at in (8..plain.len()).chain(plain.len() + WHOLE - 96..signed.len()) {
            let mut changed = signed.clone();
            changed[at] ^= 1;
            let still = signers(&changed).unwrap_or_default();
            assert!(still.is_empty(), "byte {at} does not count");
        }
        // Nothing may be put between, in front or behind.
        let mut between = plain.clone();
        between.extend([0, 2, 1, b'x']);
        between.extend(&signed[plain.len()..]);
        let mut behind = signed.clone();
        behind.extend([0, 2, 1, b'x']);
        assert!(signers(&between).unwrap().is_empty() && signers(&behind).unwrap().is_empty());
        // Nor does a signature go with another component.
        let other = [component(b"{\"a\":2}"), signed[plain.len()..].to_vec()].concat();
        assert!(is_signed(&other) && signers(&other).unwrap().is_empty());
    }

    #[test]
    fn several_sign_one_component_and_one_who_does_not_count_takes_nothing_away() {
        let (ann, bob) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let both = bob.sign(&ann.sign(&component(b"{}")).unwrap()).unwrap();
        let mut found = signers(&both).unwrap();
        found.sort();
        let mut wanted = vec![ann.public(), bob.public()];
        wanted.sort();
        assert_eq!(found, wanted);
        let mut spoiled = both;
        let last = spoiled.len() - 1;
        spoiled[last] ^= 1;
        assert_eq!(signers(&spoiled).unwrap(), [ann.public()]);
    }

    #[test]
    fn keys_come_back_from_their_texts_and_others_are_refused_without_repeating_them() {
        let key = SigningKey::generate().unwrap();
        assert_eq!(SigningKey::read(&key.secret()).unwrap().public(), key.public());
        for wrong in ["", "ed25519:12", &key.secret()[..40], &key.secret().replace(':', "-")] {
            let problem = SigningKey::read(wrong).map(|_| ()).unwrap_err();
            assert!(wrong.is_empty() || !problem.to_string().contains(wrong));
            assert!(wrong.parse::<PublicKey>().is_err());
        }
        assert!(key.sign(b"\0asm\x01\0\0\0").is_err(), "a module is not signed");
    }
}
