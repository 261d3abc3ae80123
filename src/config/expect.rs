//! Checks a tier's `expect`.

use std::time::Duration;

use tidegauge_model::expect::{Expect, WriteCache, is_scheduler};
use tidegauge_model::mount_option::MountOption;
use tidegauge_model::units::{Bytes, parse_duration};

use super::problem::Problem;
use super::raw::{RawExpect, Text};
use super::tiers::unit;

/// The kernel reads ahead by whole pages; those of 4 KiB are the smallest.
const PAGE: u64 = 4096;

/// What is expected. What is wrong is added to `problems`.
pub fn check(raw: &RawExpect, problems: &mut Vec<Problem>) -> Expect {
    Expect {
        scheduler: value(&raw.scheduler, problems, scheduler),
        read_ahead: value(&raw.read_ahead, problems, read_ahead),
        write_cache: value(&raw.write_cache, problems, write_cache),
        mount_options: mount_options(&raw.mount_options, problems),
        trim_within: value(&raw.trim_within, problems, trim_within),
    }
}

fn value<T>(
    text: &Option<Text>,
    problems: &mut Vec<Problem>,
    read: fn(&Text) -> Result<T, Problem>,
) -> Option<T> {
    let read = read(text.as_ref()?);
    read.map_err(|problem| problems.push(problem)).ok()
}

fn scheduler(text: &Text) -> Result<String, Problem> {
    let name = &text.value.0;
    if is_scheduler(name) {
        return Ok(name.clone());
    }
    Err(Problem::at(
        text,
        format!("`{name}` is not an I/O scheduler"),
        "none, mq-deadline, bfq or kyber: one of those in /sys/block/DEVICE/queue/scheduler",
    ))
}

fn read_ahead(text: &Text) -> Result<Bytes, Problem> {
    let size = Bytes::parse(&text.value.0).map_err(|error| unit(text, &error))?;
    if size.0.is_multiple_of(PAGE) {
        return Ok(size);
    }
    Err(Problem::at(
        text,
        format!("the kernel never reads ahead {size:#}: it reads whole pages of 4KiB"),
        "such as 128KiB, which is 256 sectors to blockdev --setra",
    ))
}

fn write_cache(text: &Text) -> Result<WriteCache, Problem> {
    WriteCache::parse(&text.value.0).ok_or_else(|| {
        Problem::at(
            text,
            format!("`{}` is not a mode of a write cache", text.value.0),
            "write_back or write_through, as in /sys/block/DEVICE/queue/write_cache",
        )
    })
}

fn trim_within(text: &Text) -> Result<Duration, Problem> {
    match parse_duration(&text.value.0) {
        Ok(Duration::ZERO) => Err(Problem::at(
            text,
            "no filesystem is trimmed within no time",
            "a day more than the timer has, such as 8d",
        )),
        Ok(duration) => Ok(duration),
        Err(error) => Err(unit(text, &error)),
    }
}

fn mount_options(list: &[Text], problems: &mut Vec<Problem>) -> Vec<MountOption> {
    let mut options: Vec<(MountOption, u64)> = Vec::new();
    for text in list {
        let option = match MountOption::parse(&text.value.0) {
            Ok(option) => option,
            Err(error) => {
                problems.push(Problem::at(text, error.to_string(), error.hint));
                continue;
            }
        };
        let same = options.iter().find(|(other, _)| *other == option);
        let against = options.iter().find(|(other, _)| other.contradicts(&option));
        if let Some((_, line)) = same {
            problems.push(Problem::at(
                text,
                format!("mount option `{option}` is declared twice, first in line {line}"),
                "once is enough",
            ));
        } else if let Some((other, line)) = against {
            problems.push(Problem::at(
                text,
                format!("`{option}` and `{other}` of line {line} cannot both be in force"),
                "keep one of them",
            ));
        } else {
            options.push((option, text.defined.line()));
        }
    }
    options.into_iter().map(|(option, _)| option).collect()
}
