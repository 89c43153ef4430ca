//! Gender, of which partners take `m` and `f` only.
use crate::Unusable;

const MALE: [&str; 4] = ["m", "male", "man", "boy"];
const FEMALE: [&str; 4] = ["f", "female", "woman", "girl"];

/// Appends `m` or `f`.
pub(crate) fn normalise(value: &str, out: &mut Vec<u8>) -> Result<(), Unusable> {
    let is_any = |words: [&str; 4]| words.iter().any(|word| word.eq_ignore_ascii_case(value));
    let letter = match () {
        () if is_any(MALE) => b'm',
        () if is_any(FEMALE) => b'f',
        () => return Err(Unusable::NotMOrF),
    };
    out.push(letter);
    Ok(())
}
