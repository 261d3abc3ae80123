//! Days and hours of a time, in UTC by the Gregorian calendar, before its introduction too.

const DAY: i64 = 86_400;

/// The year.
pub fn year(seconds: f64) -> f64 {
    dated(seconds, |date| date.year as f64)
}

/// The month, 1 to 12.
pub fn month(seconds: f64) -> f64 {
    dated(seconds, |date| date.month as f64)
}

/// The day of the month, from 1.
pub fn day_of_month(seconds: f64) -> f64 {
    dated(seconds, |date| date.day as f64)
}

/// How many days the month has.
pub fn days_in_month(seconds: f64) -> f64 {
    dated(seconds, |date| match date.month {
        2 if leap(date.year) => 29.0,
        2 => 28.0,
        4 | 6 | 9 | 11 => 30.0,
        _ => 31.0,
    })
}

/// The day of the week, from 0, a Sunday.
pub fn day_of_week(seconds: f64) -> f64 {
    // The epoch began on a Thursday.
    timed(seconds, |time| (time.div_euclid(DAY) + 4).rem_euclid(7))
}

/// The day of the year, from 1.
pub fn day_of_year(seconds: f64) -> f64 {
    dated(seconds, |date| {
        let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        let day = before[date.month - 1] + date.day;
        (day + i64::from(date.month > 2 && leap(date.year))) as f64
    })
}

/// The hour, 0 to 23.
pub fn hour(seconds: f64) -> f64 {
    timed(seconds, |time| time.rem_euclid(DAY) / 3600)
}

/// The minute of the hour, 0 to 59.
pub fn minute(seconds: f64) -> f64 {
    timed(seconds, |time| time.rem_euclid(3600) / 60)
}

struct Date {
    year: i64,
    /// From 1.
    month: usize,
    /// From 1.
    day: i64,
}

/// Of whole seconds, the fraction cut off. What is no number, or too large for a count of seconds, is at no time.
fn timed(seconds: f64, of: impl Fn(i64) -> i64) -> f64 {
    if seconds.abs() < i64::MAX as f64 {
        of(seconds as i64) as f64
    } else {
        f64::NAN
    }
}

fn dated(seconds: f64, of: impl Fn(Date) -> f64) -> f64 {
    if seconds.abs() < i64::MAX as f64 {
        of(date((seconds as i64).div_euclid(DAY)))
    } else {
        f64::NAN
    }
}

fn leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The date of a day counted from 1970-01-01 (H. Hinnant, "chrono-compatible low-level date algorithms",
/// `civil_from_days`): in years that begin in March, so that the leap day is their last.
fn date(days: i64) -> Date {
    const ERA: i64 = 146_097;
    let since_march_0000 = days + 719_468;
    let era = since_march_0000.div_euclid(ERA);
    let day_of_era = since_march_0000.rem_euclid(ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / (ERA - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months_since_march = (5 * day_of_year + 2) / 153;
    let january_or_later = months_since_march >= 10;
    Date {
        year: year_of_era + 400 * era + i64::from(january_or_later),
        month: if january_or_later {
            months_since_march as usize - 9
        } else {
            months_since_march as usize + 3
        },
        day: day_of_year - (153 * months_since_march + 2) / 5 + 1,
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Datelike, Timelike};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn as_chrono(seconds in -8_000_000_000_000i64..8_000_000_000_000) {
            let known = DateTime::from_timestamp(seconds, 0).unwrap();
            let time = seconds as f64;
            prop_assert_eq!(year(time), f64::from(known.year()));
            prop_assert_eq!(month(time), f64::from(known.month()));
            prop_assert_eq!(day_of_month(time), f64::from(known.day()));
            prop_assert_eq!(days_in_month(time), f64::from(known.num_days_in_month()));
            prop_assert_eq!(day_of_week(time), f64::from(known.weekday().num_days_from_sunday()));
            prop_assert_eq!(day_of_year(time), f64::from(known.ordinal()));
            prop_assert_eq!(hour(time), f64::from(known.hour()));
            prop_assert_eq!(minute(time), f64::from(known.minute()));
        }

        #[test]
        fn any_number_is_no_panic(seconds in any::<f64>()) {
            for function in [year, month, days_in_month, day_of_year, day_of_week, hour] {
                function(seconds);
            }
        }
    }

    #[test]
    fn fractions_are_cut_off() {
        assert_eq!(minute(-0.5), 0.0);
        assert_eq!(minute(59.9), 0.0);
        assert_eq!(minute(-1.0), 59.0);
        assert!(hour(f64::NAN).is_nan());
        assert!(year(1e19).is_nan());
    }
}
