//! The data of a template as gotmpl's values, and the types of Go's that those do not know.
//!
//! Prometheus's data are a struct, maps of texts, and `args`' map of anything. What a key gives that is not there
//! depends on which: an error, an empty text, or nothing at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::{TemplateError, Value};
use tidegauge_promql::{Labels, VectorSample};

use super::{Scope, go_float, time};

/// The key that makes a map a time, in milliseconds since 1970.
const TIME: &str = "\u{0}time";
/// The key that makes a map a duration, in nanoseconds.
const DURATION: &str = "\u{0}duration";

/// Fields of the structs in Prometheus's order.
const FIELDS: [&str; 4] = ["Labels", "ExternalLabels", "ExternalURL", "Value"];

/// An error of execution.
pub fn wrong(text: impl Into<String>) -> TemplateError {
    TemplateError::Exec(text.into())
}

/// What `.` is at the beginning.
pub fn root(labels: &Labels, value: f64, scope: &Scope) -> Value {
    map([
        ("Labels", texts(labels)),
        ("ExternalLabels", texts(&scope.external_labels)),
        ("ExternalURL", Value::String(scope.external_url.clone())),
        ("Value", Value::Float(value)),
    ])
}

/// A sample, as `query` gives them.
pub fn sample(sample: &VectorSample) -> Value {
    map([
        ("Labels", texts(&sample.labels)),
        ("Value", Value::Float(sample.sample.value)),
    ])
}

/// A time, in milliseconds since 1970.
pub fn time(milliseconds: i64) -> Value {
    map([(TIME, Value::Int(milliseconds))])
}

/// A duration, in nanoseconds.
pub fn duration(nanoseconds: i64) -> Value {
    map([(DURATION, Value::Int(nanoseconds))])
}

/// Whether it is a time, and which.
pub fn as_time(value: &Value) -> Option<i64> {
    value.field(TIME).and_then(Value::as_int)
}

/// Whether it is a duration, and which.
pub fn as_duration(value: &Value) -> Option<i64> {
    value.field(DURATION).and_then(Value::as_int)
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let entries: BTreeMap<Arc<str>, Value> = entries
        .into_iter()
        .map(|(key, value)| (Arc::from(key), value))
        .collect();
    Value::Map(Arc::new(entries))
}

fn texts(labels: &Labels) -> Value {
    let entries: BTreeMap<Arc<str>, Value> = labels
        .iter()
        .map(|(name, value)| (Arc::from(name), Value::String(Arc::from(value))))
        .collect();
    Value::Map(Arc::new(entries))
}

/// A field or key of a value, as Go finds it.
///
/// # Errors
/// When the value has no fields, or is a struct without this one.
pub fn field(value: &Value, name: &str) -> Result<Value, TemplateError> {
    if let Some(found) = value.field(name) {
        return Ok(found.clone());
    }
    if let Some(milliseconds) = as_time(value) {
        return time::field(milliseconds, name);
    }
    if let Some(nanoseconds) = as_duration(value) {
        return time::duration_field(nanoseconds, name);
    }
    match value {
        Value::Map(entries) => match kind(entries) {
            Kind::Texts => Ok(Value::String(Arc::from(""))),
            Kind::Anything => Ok(Value::Nil),
            Kind::Struct => Err(wrong(format!("can't evaluate field {name} in this type"))),
        },
        Value::Nil => Err(wrong(format!(
            "nil pointer evaluating interface {{}}.{name}"
        ))),
        other => Err(wrong(format!(
            "can't evaluate field {name} in type {}",
            other.type_name()
        ))),
    }
}

enum Kind {
    Struct,
    Texts,
    Anything,
}

fn kind(entries: &BTreeMap<Arc<str>, Value>) -> Kind {
    let numbered = |key: &str| {
        key.strip_prefix("arg")
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    if matches!(entries.get("Labels"), Some(Value::Map(_))) {
        Kind::Struct
    } else if !entries.is_empty() && entries.keys().all(|key| numbered(key)) {
        Kind::Anything
    } else {
        Kind::Texts
    }
}

/// As Go prints it.
pub fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        Value::Float(number) => go_float::shortest(*number),
        Value::Nil => "<no value>".to_owned(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(nested).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Map(entries) => {
            if let Some(milliseconds) = as_time(value) {
                return time::show(milliseconds);
            }
            if let Some(nanoseconds) = as_duration(value) {
                return time::show_duration(nanoseconds);
            }
            if matches!(kind(entries), Kind::Struct) {
                let fields = FIELDS.iter().filter_map(|name| entries.get(*name));
                let fields: Vec<String> = fields.map(nested).collect();
                return format!("{{{}}}", fields.join(" "));
            }
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{key}:{}", nested(value)))
                .collect();
            format!("map[{}]", entries.join(" "))
        }
        other => other.to_string(),
    }
}

fn nested(value: &Value) -> String {
    match value {
        Value::Nil => "<nil>".to_owned(),
        other => show(other),
    }
}
