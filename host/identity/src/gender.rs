//! Gender, of which partners take `m` and `f` only.
use crate::Unusable;

const MALE: [&str; 4] = ["m", "male", "man", "boy"];
const FEMALE: [&str; 4] = ["f", "female", "woman", "girl"];

/// Appends `m` or `f`.
pub(crate) fn normalise(value: &str, out: &mut Vec<u8>) -> Result<(), Unusable> {
    let is_one_of = |words: [&str; 4]| words.iter().any(|word| word.eq_ignore_ascii_case(value));
    if is_one_of(MALE) {
        out.push(b'm');
    } else if is_one_of(FEMALE) {
        out.push(b'f');
    } else {
        return Err(Unusable::NotMOrF);
    }
    Ok(())
}
