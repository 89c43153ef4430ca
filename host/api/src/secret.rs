//! Secrets that this host makes, and passwords that people choose. Neither is kept as it is.
use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use caravan_model::{Code, Problem};

/// The fewest characters of a password.
const SHORTEST: usize = 12;

/// A fresh secret of 256 bits, after a prefix that says what it is: `ck_…` a key, `cs_…` a session, `cl_…` a link.
///
/// # Errors
/// The system gives no random numbers.
pub fn fresh(prefix: &str) -> Result<String, Problem> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(no_chance)?;
    Ok(format!("{prefix}_{}", URL_SAFE_NO_PAD.encode(bytes)))
}

fn no_chance(error: getrandom::Error) -> Problem {
    Problem::new(Code::Internal, format!("the system gives no random numbers: {error}"))
}

/// A password's hash in PHC form (Argon2id). Takes some hundredths of a second on purpose.
///
/// # Errors
/// CV004 where it is shorter than twelve characters.
pub fn hash(password: &str) -> Result<String, Problem> {
    if password.chars().count() < SHORTEST {
        let words = format!("a password has at least {SHORTEST} characters");
        return Err(Problem::new(Code::BadValue, words).at_path("password").cure("choose a longer one"));
    }
    let mut salt = [0u8; 16];
    getrandom::fill(&mut salt).map_err(no_chance)?;
    let failed = |error: argon2::password_hash::Error| {
        Problem::new(Code::Internal, format!("the password cannot be hashed: {error}"))
    };
    let salt = SaltString::encode_b64(&salt).map_err(failed)?;
    Ok(Argon2::default().hash_password(password.as_bytes(), &salt).map_err(failed)?.to_string())
}

/// Whether a password is the one of this hash. Without a hash it takes as long and is wrong, so that nobody learns by the time
/// who has one.
pub fn fits(password: &str, hash: Option<&str>) -> bool {
    let Some(hash) = hash else {
        let _ = Argon2::default().hash_password_into(password.as_bytes(), b"nobody's salt 16", &mut [0u8; 32]);
        return false;
    };
    PasswordHash::new(hash).is_ok_and(|known| Argon2::default().verify_password(password.as_bytes(), &known).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_hash_alone() {
        let hash = hash("correct horse battery").unwrap();
        assert!(hash.starts_with("$argon2id$") && !hash.contains("horse"));
        assert!(fits("correct horse battery", Some(&hash)));
        assert!(!fits("correct horse batter", Some(&hash)));
        assert!(!fits("x", None) && !fits("x", Some("nonsense")));
        assert!(super::hash("short").is_err());
    }

    #[test]
    fn secrets_differ_and_say_what_they_are() {
        let (one, two) = (fresh("ck").unwrap(), fresh("ck").unwrap());
        assert!(one.starts_with("ck_") && one != two && one.len() > 40);
    }
}
