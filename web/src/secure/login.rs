//! Basic authentication: reads what a client says, and compares passwords without holding anybody up.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::sync::Semaphore;

use super::password::Hash;

/// Passwords that are compared at once: each takes a core.
const AT_ONCE: usize = 2;
/// Requests that wait for that, beyond those.
const WAITING: usize = 16;
/// Logins that are remembered.
const REMEMBERED: usize = 128;

/// What came of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// The password is the user's.
    Right,
    /// It is not, or there is no such user, or none was given.
    Wrong,
    /// Too many wait already to be told.
    Busy,
}

/// Name and password as a client gave them. No `Debug`: it shows neither.
pub struct Credentials {
    user: Vec<u8>,
    password: Vec<u8>,
}

impl Credentials {
    /// Of the value of an `Authorization` header; `None` when it is not of basic authentication.
    pub fn of_header(value: &[u8]) -> Option<Self> {
        let (scheme, rest) = value.split_at_checked(b"Basic ".len())?;
        if !scheme.eq_ignore_ascii_case(b"Basic ") {
            return None;
        }
        let decoded = STANDARD.decode(rest.trim_ascii()).ok()?;
        let colon = decoded.iter().position(|&byte| byte == b':')?;
        Some(Self {
            user: decoded[..colon].to_vec(),
            password: decoded[colon + 1..].to_vec(),
        })
    }
}

/// Who may log in, and who did of late. A changed configuration makes new ones, which remember nothing.
pub struct Users {
    hashes: BTreeMap<String, Hash>,
    /// For users that there are not: as costly as the costliest.
    nobody: Hash,
    remembered: Mutex<Remembered>,
}

impl Users {
    /// These; `None` when there are none.
    pub fn new(hashes: BTreeMap<String, Hash>) -> Option<Self> {
        let cost = hashes.values().map(Hash::cost).max()?;
        Some(Self {
            hashes,
            nobody: Hash::of_nobody(cost),
            remembered: Mutex::default(),
        })
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last logins that were right, the latest last. They are kept as codes that say nothing to
/// whoever does not hold the key of this process.
#[derive(Default)]
struct Remembered(VecDeque<[u8; 32]>);

impl Remembered {
    /// Whether it is there; if so it is the latest.
    fn recall(&mut self, code: &[u8; 32]) -> bool {
        let Some(at) = self.0.iter().position(|known| known == code) else {
            return false;
        };
        self.0.remove(at);
        self.0.push_back(*code);
        true
    }

    fn add(&mut self, code: [u8; 32]) {
        if self.recall(&code) {
            return;
        }
        while self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(code);
    }
}

/// Lets few passwords be compared at once, never on the thread that serves.
pub struct Gate {
    key: hmac::Key,
    comparing: Arc<Semaphore>,
    inside: Semaphore,
}

impl Gate {
    /// An error when the system has no randomness.
    pub fn new() -> Result<Self, ring::error::Unspecified> {
        Ok(Self {
            key: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?,
            comparing: Arc::new(Semaphore::new(AT_ONCE)),
            inside: Semaphore::new(AT_ONCE + WAITING),
        })
    }

    /// Whether these are a user's.
    pub async fn login(&self, users: &Users, credentials: Credentials) -> Login {
        let Credentials { user, password } = credentials;
        let known = std::str::from_utf8(&user)
            .ok()
            .and_then(|user| users.hashes.get(user));
        let hash = known.unwrap_or(&users.nobody);
        let code = self.code(&user, hash, &password);
        if users.remembered().recall(&code) {
            return Login::Right;
        }
        let Ok(_inside) = self.inside.try_acquire() else {
            return Login::Busy;
        };
        let Ok(comparing) = Arc::clone(&self.comparing).acquire_owned().await else {
            return Login::Busy;
        };
        // The same may have been compared for another request meanwhile.
        if users.remembered().recall(&code) {
            return Login::Right;
        }
        let hash = hash.clone();
        let compared = tokio::task::spawn_blocking(move || {
            // A client that goes away does not make room: its password is still being compared.
            let _comparing = comparing;
            hash.is_of(&password)
        });
        match compared.await {
            Ok(true) if known.is_some() => {
                users.remembered().add(code);
                Login::Right
            }
            Ok(_) => Login::Wrong,
            Err(_) => Login::Busy,
        }
    }

    fn code(&self, user: &[u8], hash: &Hash, password: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        // Each with its length, so that no two triples read the same.
        for part in [user, hash.as_bytes(), password] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut code = [0; 32];
        for (to, from) in code.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> Users {
        let hash = |password| Hash::parse(&bcrypt::hash(password, 4).unwrap()).unwrap();
        Users::new(BTreeMap::from([
            ("alice".to_owned(), hash("secret")),
            ("bob".to_owned(), hash("")),
        ]))
        .unwrap()
    }

    fn credentials(user: &str, password: &str) -> Credentials {
        Credentials {
            user: user.into(),
            password: password.into(),
        }
    }

    #[test]
    fn headers() {
        let read = |value: &str| {
            Credentials::of_header(value.as_bytes()).map(|c| {
                (
                    String::from_utf8(c.user).unwrap(),
                    String::from_utf8(c.password).unwrap(),
                )
            })
        };
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(read("Basic YWxpY2U6c2VjcmV0"), pair("alice", "secret"));
        assert_eq!(read("bASIC  YWxpY2U6c2VjcmV0 "), pair("alice", "secret"));
        assert_eq!(read("Basic YTpiOmM="), pair("a", "b:c"));
        assert_eq!(read("Basic Og=="), pair("", ""));
        for wrong in [
            "",
            "Basic",
            "Basic ",
            "Basic YWxpY2U=",
            "Basic !!",
            "Bearer YWxpY2U6c2VjcmV0",
            "Basi",
            "BasicYWxpY2U6c2VjcmV0",
            "Basic YTpiOmM",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_is_a_panic(value in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60)) {
            let _ = Credentials::of_header(&value);
            let _ = Credentials::of_header(&[b"Basic ", value.as_slice()].concat());
        }
    }

    #[test]
    fn a_user_that_there_is_not_costs_as_much_as_the_costliest() {
        let hash = |cost| Hash::parse(&bcrypt::hash("", cost).unwrap()).unwrap();
        let users =
            [("a", 4), ("b", 6), ("c", 5)].map(|(user, cost)| (user.to_owned(), hash(cost)));
        assert_eq!(Users::new(users.into()).unwrap().nobody.cost(), 6);
    }

    #[tokio::test]
    async fn right_and_wrong() {
        let (gate, users) = (Gate::new().unwrap(), users());
        for (user, password, expected) in [
            ("alice", "secret", Login::Right),
            ("alice", "Secret", Login::Wrong),
            ("alice", "", Login::Wrong),
            ("bob", "", Login::Right),
            ("bob", "secret", Login::Wrong),
            ("carol", "secret", Login::Wrong),
            ("", "", Login::Wrong),
            ("Alice", "secret", Login::Wrong),
        ] {
            for _ in 0..2 {
                let login = gate.login(&users, credentials(user, password)).await;
                assert_eq!(login, expected, "{user}:{password}");
            }
        }
        // Only what was right is remembered.
        assert_eq!(users.remembered().0.len(), 2);
    }

    #[tokio::test]
    async fn who_logged_in_is_not_compared_again_even_when_all_wait() {
        let (gate, users) = (Gate::new().unwrap(), users());
        assert_eq!(
            gate.login(&users, credentials("alice", "secret")).await,
            Login::Right
        );
        let _all = gate
            .inside
            .try_acquire_many(u32::try_from(AT_ONCE + WAITING).unwrap())
            .unwrap();
        assert_eq!(
            gate.login(&users, credentials("alice", "secret")).await,
            Login::Right
        );
        for (user, password) in [("alice", "wrong"), ("bob", ""), ("carol", "x")] {
            let login = gate.login(&users, credentials(user, password));
            // It is told at once; the limit is for a mistake of ours to fail and not to hang.
            let login = tokio::time::timeout(std::time::Duration::from_secs(60), login).await;
            assert_eq!(login, Ok(Login::Busy), "{user}:{password}");
        }
    }

    #[tokio::test]
    async fn a_code_is_of_one_triple_and_one_process() {
        let (gate, other) = (Gate::new().unwrap(), Gate::new().unwrap());
        let hash = Hash::of_nobody(4);
        let code = gate.code(b"ab", &hash, b"c");
        assert_eq!(code, gate.code(b"ab", &hash, b"c"));
        assert_ne!(code, gate.code(b"a", &hash, b"bc"));
        assert_ne!(code, gate.code(b"ab", &Hash::of_nobody(5), b"c"));
        assert_ne!(code, other.code(b"ab", &hash, b"c"));
    }

    #[test]
    fn the_oldest_is_forgotten() {
        let mut remembered = Remembered::default();
        let code = |n: usize| {
            let mut code = [0; 32];
            code[..8].copy_from_slice(&n.to_le_bytes());
            code
        };
        for n in 0..REMEMBERED {
            remembered.add(code(n));
        }
        assert!(remembered.recall(&code(0)), "it is the latest now");
        remembered.add(code(REMEMBERED));
        assert_eq!(remembered.0.len(), REMEMBERED);
        assert!(remembered.recall(&code(0)) && !remembered.recall(&code(1)));
    }
}
