//! `collect[]` and `exclude[]`: which collectors a scrape wants, as in node_exporter.

use thiserror::Error;

use super::{CollectorInfo, Wanted};

/// A query that cannot be answered.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum QueryError {
    /// Both lists were given.
    #[error("collect[] and exclude[] cannot be combined; use one of them")]
    Both,
    /// No such collector.
    #[error("there is no collector `{name}`; those that run: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
}

/// Reads the query part of a URI; keys that are not known are ignored, as every exporter does.
pub fn wanted(query: &str, collectors: &[CollectorInfo]) -> Result<Wanted, QueryError> {
    let (mut collect, mut exclude) = (Vec::new(), Vec::new());
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let list = match key.as_ref() {
            "collect[]" => &mut collect,
            "exclude[]" => &mut exclude,
            _ => continue,
        };
        let known =
            collectors
                .iter()
                .find(|c| c.name == value)
                .ok_or_else(|| QueryError::Unknown {
                    name: value.escape_debug().to_string(),
                    known: collectors
                        .iter()
                        .map(|c| c.name)
                        .collect::<Vec<_>>()
                        .join(", "),
                })?;
        list.push(known.name);
    }
    match (collect.is_empty(), exclude.is_empty()) {
        (true, true) => Ok(Wanted::all()),
        (false, true) => Ok(Wanted::only(&collect)),
        (true, false) => {
            let rest: Vec<_> = collectors
                .iter()
                .map(|c| c.name)
                .filter(|name| !exclude.contains(name))
                .collect();
            Ok(Wanted::only(&rest))
        }
        (false, false) => Err(QueryError::Both),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COLLECTORS: [CollectorInfo; 2] = [
        CollectorInfo {
            name: "disk",
            help: "",
        },
        CollectorInfo {
            name: "tier",
            help: "",
        },
    ];

    #[test]
    fn both_lists() {
        assert_eq!(wanted("", &COLLECTORS), Ok(Wanted::all()));
        assert_eq!(
            wanted("x=1&collect[]=disk", &COLLECTORS),
            Ok(Wanted::only(&["disk"]))
        );
        assert_eq!(
            wanted("exclude%5B%5D=disk", &COLLECTORS),
            Ok(Wanted::only(&["tier"]))
        );
        assert_eq!(
            wanted("collect[]=disk&exclude[]=tier", &COLLECTORS),
            Err(QueryError::Both)
        );
        let error = wanted("collect[]=a%0Ab", &COLLECTORS)
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "there is no collector `a\\nb`; those that run: disk, tier"
        );
    }

    proptest! {
        #[test]
        fn any_query_has_an_answer(query in "(?s).{0,100}") {
            let _ = wanted(&query, &COLLECTORS);
        }
    }
}
