//! A bcrypt hash of a password, checked when it is read and never shown.

use std::fmt;
use std::str::FromStr;

use bcrypt::HashParts;

/// A bcrypt hash. Its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Hash {
    text: String,
    cost: u32,
}

/// Why a text is no hash that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashError {
    /// It does not look like one: a password in the clear, say.
    NoHash,
    /// It does, but is not whole.
    Malformed,
}

/// Salt and hash of nobody's password, to let an unknown user wait as long as a known one.
const NOBODY: &str = "vI8aWBnW3fID.ZQ4/zo1G.q1lRps.9cGLcZEiGDMVr5yUP1KUOYTa";

impl Hash {
    /// Takes `$2a$`, `$2b$` and `$2y$`.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        if !["$2a$", "$2b$", "$2y$"].iter().any(|p| text.starts_with(p)) {
            return Err(HashError::NoHash);
        }
        let cost = HashParts::from_str(text)
            .map_err(|_| HashError::Malformed)?
            .get_cost();
        // As bcrypt has it; above the greatest it would be an error at each login.
        if !(4..=31).contains(&cost) {
            return Err(HashError::Malformed);
        }
        Ok(Self {
            text: text.to_owned(),
            cost,
        })
    }

    /// A hash of this cost that no password is for.
    pub fn of_nobody(cost: u32) -> Self {
        let cost = cost.clamp(4, 31);
        Self {
            text: format!("$2b${cost:02}${NOBODY}"),
            cost,
        }
    }

    /// The base 2 logarithm of the rounds.
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// As written in the configuration; for the key of a cache only.
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Whether this is the password's. Takes 50 ms and more, by the cost; compares in constant time.
    pub fn is_of(&self, password: &[u8]) -> bool {
        bcrypt::verify(password, &self.text).unwrap_or(false)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `secret`, cost 4.
    fn secret() -> String {
        bcrypt::hash("secret", 4).unwrap()
    }

    #[test]
    fn the_three_kinds_are_taken_and_tell_right_from_wrong() {
        let made = secret();
        for prefix in ["$2a$", "$2b$", "$2y$"] {
            let hash = Hash::parse(&made.replacen("$2b$", prefix, 1)).unwrap();
            assert_eq!(hash.cost(), 4);
            assert!(hash.is_of(b"secret"));
            assert!(!hash.is_of(b"Secret") && !hash.is_of(b"") && !hash.is_of(b"\xff\0"));
            assert_eq!(format!("{hash:?}"), "Hash(…)");
        }
    }

    #[test]
    fn what_is_no_hash() {
        let made = secret();
        for text in [
            "",
            "secret",
            "$1$abc",
            "{SHA}x",
            "$2x$",
            &made.replacen("$2b$", "$2x$", 1),
        ] {
            assert_eq!(Hash::parse(text).unwrap_err(), HashError::NoHash, "{text}");
        }
        for text in [
            &made[..59],
            &format!("{made}x"),
            &made.replacen("$04$", "$03$", 1),
            &made.replacen("$04$", "$32$", 1),
            &made.replacen("$04$", "$xx$", 1),
            &format!("{}é", &made[..58]),
        ] {
            assert_eq!(
                Hash::parse(text).unwrap_err(),
                HashError::Malformed,
                "{text}"
            );
        }
    }

    #[test]
    fn nobody_is_as_costly_and_well_formed() {
        let nobody = Hash::of_nobody(11);
        assert_eq!(nobody.cost(), 11);
        assert_eq!(Hash::parse(&nobody.text).unwrap().cost(), 11);
    }
}
