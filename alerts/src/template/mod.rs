//! Templates in the labels and annotations of alerting rules: Go's text/template with Prometheus's variables and
//! functions, so that rule files of Prometheus's give the same texts.
//!
//! The crate gotmpl parses and executes. What differs from Go where maps of texts, floats and times are printed or
//! looked into is made Go's by `rewrite.rs` before execution.

mod blocks;
mod compare;
mod functions;
mod go_float;
mod host_port;
mod humanize;
mod printf;
mod rewrite;
mod time;
mod values;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use gotmpl::parse::Parser;
use thiserror::Error;
use tidegauge_promql::{Labels, Timestamp, VectorSample};

pub use go_float::shortest as go_number;
pub use time::show_duration as go_duration;

/// Set before each text, as Prometheus does.
const VARIABLES: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}\
{{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// The name under which the rewritten tree is kept.
const MAIN: &str = "\u{0}main";

/// Iterations that all ranges of one execution may do together.
const MOST_ITERATIONS: u64 = 100_000;

/// Answers the function `query`: an expression, to its samples or why there are none.
pub type Ask = dyn Fn(&str) -> Result<Vec<VectorSample>, String> + Send + Sync;

/// What templates see of the world besides their alert.
#[derive(Clone)]
pub struct Scope {
    /// The time of evaluation.
    pub at: Timestamp,
    /// Where users find this program, without a slash at the end.
    pub external_url: Arc<str>,
    /// The labels that this program adds to what it sends.
    pub external_labels: Labels,
    /// Answers `query`.
    pub ask: Arc<Ask>,
}

/// A text could not be made. In Prometheus's words.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("error executing template {template}: {reason}")]
pub struct TemplateError {
    template: String,
    reason: String,
}

impl TemplateError {
    /// What is shown where the text would be, as by Prometheus.
    pub fn in_place_of_text(&self) -> String {
        format!("<error expanding template: {self}>")
    }
}

/// A parsed text.
pub struct Template {
    text: String,
    program: Option<Program>,
}

struct Program {
    name: String,
    tree: gotmpl::Template,
    /// What the functions see while the template runs.
    scope: functions::Cell,
    /// One run at a time, for there is one scope.
    running: Mutex<()>,
}

impl Template {
    /// Parses a text; `alert` is the alert's name, which Prometheus puts into messages.
    ///
    /// # Errors
    /// What is wrong and where: syntax, a function or a variable that does not exist.
    pub fn parse(alert: &str, text: &str) -> Result<Self, String> {
        let program = if text.contains("{{") {
            Some(Program::parse(alert, text)?)
        } else {
            None
        };
        Ok(Self {
            text: text.to_owned(),
            program,
        })
    }

    /// The text as it is written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text for a sample.
    ///
    /// # Errors
    /// Why it cannot be made.
    pub fn expand(
        &self,
        labels: &Labels,
        value: f64,
        scope: &Scope,
    ) -> Result<String, TemplateError> {
        let Some(program) = &self.program else {
            return Ok(self.text.clone());
        };
        program
            .run(labels, value, scope)
            .map_err(|reason| TemplateError {
                template: program.name.clone(),
                reason,
            })
    }
}

impl Program {
    fn parse(alert: &str, text: &str) -> Result<Self, String> {
        let name = format!("__alert_{alert}");
        let whole = format!("{VARIABLES}{text}");
        let (mut main, mut defines) = Parser::with_name(Some(&name), &whole, "{{", "}}")
            .and_then(Parser::parse)
            .map_err(|error| relocate(&error))?;
        blocks::check(text)?;
        rewrite::tree(&mut main)?;
        let scope = functions::Cell::default();
        let mut tree = gotmpl::Template::new(&name)
            .max_range_iters(MOST_ITERATIONS)
            .funcs(functions::all(&scope))
            .add_parse_tree(MAIN, main);
        let mut seen: Vec<String> = Vec::new();
        for define in &mut defines {
            if seen.iter().any(|name| *name == define.name.as_str()) && !define.body.is_empty_tree()
            {
                return Err(format!("multiple definition of template {:?}", define.name));
            }
            rewrite::tree(&mut define.body)?;
            tree = tree.add_parse_tree(&define.name, define.body.clone());
            seen.push(define.name.to_string());
        }
        Ok(Self {
            name,
            tree,
            scope,
            running: Mutex::default(),
        })
    }

    fn run(&self, labels: &Labels, value: f64, scope: &Scope) -> Result<String, String> {
        let _one = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        functions::set(&self.scope, Some(scope.clone()));
        let data = values::root(labels, value, scope);
        let mut text = String::new();
        let ran = self.tree.execute_template_fmt(&mut text, MAIN, &data);
        functions::set(&self.scope, None);
        ran.map(|()| text).map_err(|error| {
            let said = error.to_string();
            said.strip_prefix("execution error: ")
                .map_or(said.clone(), str::to_owned)
        })
    }
}

/// The message with the place in the text as it was written, without the variables before it.
fn relocate(error: &gotmpl::TemplateError) -> String {
    use gotmpl::TemplateError::{Lex, Parse};
    match error {
        Parse {
            line, col, message, ..
        }
        | Lex {
            line, col, message, ..
        } => {
            let column = match line {
                1 => col.saturating_sub(VARIABLES.len()),
                _ => *col,
            };
            format!("line {line}, column {column}: {message}")
        }
        other => other.to_string(),
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.text).finish()
    }
}
