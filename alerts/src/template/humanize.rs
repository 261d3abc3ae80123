//! Numbers for people, as Prometheus's templates write them.

use super::go_float::{significant, special};

const UP: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const UP_BINARY: [&str; 8] = ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];
const DOWN: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];

/// With four digits and a metric prefix.
pub fn si(value: f64) -> String {
    if value == 0.0 || special(value).is_some() {
        significant(value, 4)
    } else if value.abs() >= 1.0 {
        scaled(value, 1000.0, &UP, |value| value.abs() < 1000.0)
    } else {
        shrunk(value)
    }
}

/// With four digits and a binary prefix.
pub fn binary(value: f64) -> String {
    if value.abs() <= 1.0 || special(value).is_some() {
        significant(value, 4)
    } else {
        scaled(value, 1024.0, &UP_BINARY, |value| value.abs() < 1024.0)
    }
}

/// Seconds as days, hours, minutes and seconds, or as a part of a second.
pub fn duration(seconds: f64) -> String {
    if special(seconds).is_some() {
        return significant(seconds, 4);
    }
    if seconds == 0.0 {
        return significant(seconds, 4) + "s";
    }
    if seconds.abs() < 1.0 {
        return shrunk(seconds) + "s";
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let seconds = seconds.abs();
    // What does not fit into 64 bits is the least number there is, as on the machines that Prometheus runs on.
    let whole = if seconds < 9.223_372_036_854_775e18 {
        seconds as i64
    } else {
        i64::MIN
    };
    let (days, hours) = (whole / 86_400, whole / 3_600 % 24);
    let (minutes, rest) = (whole / 60 % 60, whole % 60);
    if days != 0 {
        format!("{sign}{days}d {hours}h {minutes}m {rest}s")
    } else if hours != 0 {
        format!("{sign}{hours}h {minutes}m {rest}s")
    } else if minutes != 0 {
        format!("{sign}{minutes}m {rest}s")
    } else {
        format!("{sign}{}s", significant(seconds, 4))
    }
}

/// A ratio as per cent.
pub fn percentage(ratio: f64) -> String {
    significant(ratio * 100.0, 4) + "%"
}

fn scaled(mut value: f64, step: f64, prefixes: &[&str], enough: fn(f64) -> bool) -> String {
    let mut prefix = "";
    for next in prefixes {
        if enough(value) {
            break;
        }
        prefix = next;
        value /= step;
    }
    significant(value, 4) + prefix
}

fn shrunk(mut value: f64) -> String {
    let mut prefix = "";
    for next in DOWN {
        if value.abs() >= 1.0 {
            break;
        }
        prefix = next;
        value *= 1000.0;
    }
    significant(value, 4) + prefix
}
