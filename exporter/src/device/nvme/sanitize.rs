//! Sanitize Status: log page 81h (NVMe Base Specification 2.0, 5.16.1.25).

use super::page::{Page, PageError};

/// How much of the page is read, in bytes: all that is defined.
pub const LENGTH: usize = 32;

/// What came of the last sanitize.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There was none.
    Never,
    /// It was done.
    Completed,
    /// It runs.
    Running,
    /// It failed; the media may not be used until one succeeds.
    Failed,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Never, Self::Completed, Self::Running, Self::Failed];

    /// As a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Completed => "completed",
            Self::Running => "running",
            Self::Failed => "failed",
        }
    }
}

/// The log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sanitize {
    /// `None` for one that this program does not know.
    pub state: Option<State>,
    /// How much of one that runs is done, in parts of 65,536.
    pub progress: u16,
    /// Nothing was written since the last one, or since it was made.
    pub is_erased: bool,
}

/// Reads the page.
pub fn parse(bytes: &[u8]) -> Result<Sanitize, PageError> {
    let page = Page::<LENGTH>::new(bytes)?;
    let status = page.u16(2);
    let state = match status & 0b111 {
        0 => Some(State::Never),
        // 4: without deallocation.
        1 | 4 => Some(State::Completed),
        2 => Some(State::Running),
        3 => Some(State::Failed),
        _ => None,
    };
    Ok(Sanitize {
        state,
        progress: page.u16(0),
        is_erased: status & 1 << 8 != 0,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn states() {
        let read = |status: u16| {
            let mut bytes = [0; LENGTH];
            bytes[..2].copy_from_slice(&0x8000_u16.to_le_bytes());
            bytes[2..4].copy_from_slice(&status.to_le_bytes());
            parse(&bytes).unwrap()
        };
        let states: Vec<_> = (0..6).map(|status| read(status).state).collect();
        let [never, completed, running, failed] = State::ALL.map(Some);
        assert_eq!(states, [never, completed, running, failed, completed, None]);
        assert_eq!(read(2).progress, 0x8000);
        assert!(read(0x101).is_erased && !read(1).is_erased);
        assert_eq!(parse(&[0xFF; LENGTH]), Err(PageError::Blank(0xFF)));
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(parse(&bytes).is_ok(), bytes.len() >= LENGTH);
        }
    }
}
