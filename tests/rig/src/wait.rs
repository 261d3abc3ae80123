//! Waiting for something another process does, never for ever.

use std::thread;
use std::time::Duration;

/// Between two looks. Short enough that no test is slowed by it.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until there is something to see, for about `limit`; `None` when there never was.
///
/// It counts looks and not time: a machine that stalls for a while still looks as often.
pub fn wait_until<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let looks = limit.as_millis() / PAUSE.as_millis() + 1;
    for _ in 0..looks {
        if let Some(seen) = look() {
            return Some(seen);
        }
        thread::sleep(PAUSE);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_up_after_a_bounded_number_of_looks() {
        let mut looks = 0;
        let seen: Option<()> = wait_until(Duration::from_millis(40), || {
            looks += 1;
            None
        });
        assert_eq!((seen, looks), (None, 3));
    }
}
