//! Why a rule could not be evaluated.

use std::fmt;

use tidegauge_promql::Error;

/// A reason in Prometheus's words, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The reason.
    pub message: String,
    /// The next step.
    pub hint: &'static str,
}

impl Failure {
    /// With both.
    pub fn new(message: impl Into<String>, hint: &'static str) -> Self {
        Self {
            message: message.into(),
            hint,
        }
    }

    /// Whether the log has told the same of another one: numbers aside, which may differ at each evaluation.
    pub fn is_like(&self, message: &str) -> bool {
        let words = |text: &str| -> String {
            let others = text.chars().filter(|c| !c.is_ascii_digit());
            others.collect()
        };
        words(&self.message) == words(message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let hint = match &error {
            Error::Parse(_) => "correct the expression",
            Error::Execution(_) => "try the expression with `tidegauge query`, and correct it",
            Error::TooManySamples => {
                "ask for fewer series or a shorter range, or raise --query.max-samples"
            }
            Error::TimedOut => {
                "ask for fewer series or a shorter range, record a part of it, or raise --query.timeout"
            }
            Error::Storage(_) => "please report it",
        };
        Self::new(error.to_string(), hint)
    }
}
