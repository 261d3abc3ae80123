//! Asking both servers, and comparing what they say.

use form_urlencoded::Serializer;
use serde_json::{Value, json};
use tidegauge_rig::post_form;

/// The addresses of both servers.
pub struct Asked<'a> {
    pub theirs: &'a str,
    pub ours: &'a str,
}

/// What differs, shown in full for the first few only.
#[derive(Default)]
pub struct Differences {
    pub compared: usize,
    /// Answers that had something in them: two that are empty say little.
    pub filled: usize,
    shown: Vec<String>,
}

impl Differences {
    pub fn compare(&mut self, what: &str, theirs: &Value, ours: &Value) {
        self.compared += 1;
        if theirs["result"] != json!([]) {
            self.filled += 1;
        }
        if theirs != ours {
            self.shown
                .push(format!("{what}\n  Prometheus: {theirs}\n  ours: {ours}"));
        }
    }

    /// # Panics
    /// When anything differs.
    pub fn assert_none(&self, what: &str) {
        let first: Vec<&str> = self.shown.iter().take(8).map(String::as_str).collect();
        assert!(
            first.is_empty(),
            "{what}: {} of {} answers differ\n{}",
            self.shown.len(),
            self.compared,
            first.join("\n")
        );
    }
}

/// A time in milliseconds as a parameter.
pub fn seconds(time: i64) -> String {
    format!("{}.{:03}", time / 1000, time % 1000)
}

impl Asked<'_> {
    /// Both answers at one time: series in the order of their labels.
    pub fn instant(&self, expression: &str, time: i64) -> [Value; 2] {
        let time = seconds(time);
        self.ask("/api/v1/query", &[("query", expression), ("time", &time)])
    }

    /// Both answers at each second between two times.
    pub fn range(&self, expression: &str, from: i64, to: i64) -> [Value; 2] {
        let (start, end) = (seconds(from), seconds(to));
        let form = [
            ("query", expression),
            ("start", &start),
            ("end", &end),
            ("step", "1"),
        ];
        self.ask("/api/v1/query_range", &form)
    }

    fn ask(&self, path: &str, form: &[(&str, &str)]) -> [Value; 2] {
        let form = Serializer::new(String::new()).extend_pairs(form).finish();
        [self.theirs, self.ours].map(|address| {
            let response = post_form(address, path, &form).unwrap();
            let mut answer: Value = serde_json::from_slice(&response.body)
                .unwrap_or_else(|error| panic!("{path} {form}: {error}: {response:?}"));
            assert_eq!(answer["status"], "success", "{path} {form}: {answer}");
            let mut data = answer["data"].take();
            if let Some(series) = data["result"].as_array_mut() {
                // Itself it scrapes too.
                series.retain(|series| series["metric"]["job"] != "prometheus");
                series.sort_by_key(|series| series["metric"].to_string());
            }
            data
        })
    }
}
