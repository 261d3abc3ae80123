//! The functions of Prometheus's templates (its template/template.go).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gotmpl::{FuncMap, TemplateError, Value};
use regex::Regex;
use tidegauge_model::units::parse_duration;

use super::rewrite::{FIELD, METHOD, SHOW};
use super::values::{self, wrong};
use super::{Scope, compare, host_port, humanize, printf, time};

/// Where the functions find the scope of the run.
pub type Cell = Arc<Mutex<Option<Scope>>>;

type Answer = Result<Value, TemplateError>;
type Function = fn(&[Value]) -> Answer;
type Scoped = fn(&Scope, &[Value]) -> Answer;

/// Go's own that gotmpl has and that do there what they do in Go.
const BUILT_IN: &[&str] = &["and", "or", "not", "len", "slice", "call"];

/// Those that need nothing but their arguments.
const FUNCTIONS: &[(&str, Function)] = &[
    (SHOW, |args| Ok(text_value(values::show(one(args)?)))),
    (FIELD, fields),
    (METHOD, method),
    ("eq", compare::eq),
    ("ne", compare::ne),
    ("lt", |args| {
        compare::ordered(args, |o| o.is_some_and(|o| o.is_lt()))
    }),
    ("le", |args| {
        compare::ordered(args, |o| o.is_some_and(|o| o.is_le()))
    }),
    ("gt", |args| {
        compare::ordered(args, |o| o.is_none_or(|o| o.is_gt()))
    }),
    ("ge", |args| {
        compare::ordered(args, |o| o.is_none_or(|o| o.is_ge()))
    }),
    ("index", index),
    ("print", |args| Ok(text_value(printf::print(args)))),
    ("println", |args| Ok(text_value(printf::println(args)))),
    ("printf", printf::printf),
    ("html", |args| {
        Ok(text_value(gotmpl::html_escape(&printf::print(args))))
    }),
    ("js", |args| {
        Ok(text_value(gotmpl::js_escape(&printf::print(args))))
    }),
    ("urlquery", |args| {
        Ok(text_value(gotmpl::url_encode(&printf::print(args))))
    }),
    ("first", first),
    ("label", |args| {
        let name = text(args, 0)?;
        values::field(&values::field(nth(args, 1)?, "Labels")?, name)
    }),
    ("value", |args| values::field(one(args)?, "Value")),
    ("strvalue", |args| {
        values::field(&values::field(one(args)?, "Labels")?, "__value__")
    }),
    ("args", |args| {
        let entries = args.iter().enumerate();
        let entries: BTreeMap<Arc<str>, Value> = entries
            .map(|(n, value)| (Arc::from(format!("arg{n}")), value.clone()))
            .collect();
        Ok(Value::Map(Arc::new(entries)))
    }),
    ("reReplaceAll", |args| {
        let changed = regex(text(args, 0)?)?.replace_all(text(args, 2)?, text(args, 1)?);
        Ok(text_value(changed.into_owned()))
    }),
    ("match", |args| {
        Ok(Value::Bool(regex(text(args, 0)?)?.is_match(text(args, 1)?)))
    }),
    ("safeHtml", |args| Ok(text_value(text(args, 0)?.to_owned()))),
    ("title", |args| Ok(text_value(title(text(args, 0)?)))),
    ("toUpper", |args| {
        Ok(text_value(text(args, 0)?.to_uppercase()))
    }),
    ("toLower", |args| {
        Ok(text_value(text(args, 0)?.to_lowercase()))
    }),
    ("sortByLabel", sort_by_label),
    ("stripPort", |args| {
        Ok(text_value(host_port::strip_port(text(args, 0)?)))
    }),
    ("stripDomain", |args| {
        Ok(text_value(host_port::strip_domain(text(args, 0)?)))
    }),
    ("graphLink", |args| Ok(text_value(link(text(args, 0)?, 0)))),
    ("tableLink", |args| Ok(text_value(link(text(args, 0)?, 1)))),
    ("urlQueryEscape", |args| {
        Ok(text_value(gotmpl::url_encode(text(args, 0)?)))
    }),
    ("humanize", |args| {
        Ok(text_value(humanize::si(number(args)?)))
    }),
    ("humanize1024", |args| {
        Ok(text_value(humanize::binary(number(args)?)))
    }),
    ("humanizeDuration", |args| {
        Ok(text_value(humanize::duration(number(args)?)))
    }),
    ("humanizePercentage", |args| {
        Ok(text_value(humanize::percentage(number(args)?)))
    }),
    ("humanizeTimestamp", |args| {
        time::humanize(number(args)?).map(text_value)
    }),
    ("toTime", |args| {
        time::from_seconds(number(args)?).map(values::time)
    }),
    ("toDuration", |args| {
        // As Go converts: what is too large for 64 bits is cut off at the ends.
        #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
        let nanoseconds = (number(args)? * 1e9) as i64;
        Ok(values::duration(nanoseconds))
    }),
    ("parseDuration", |args| {
        let whole = text(args, 0)?;
        let (sign, rest) = match whole.strip_prefix('-') {
            Some(rest) => (-1.0, rest),
            None => (1.0, whole),
        };
        let parsed = parse_duration(rest)
            .map_err(|_| wrong(format!("not a valid duration string: {whole:?}")))?;
        Ok(Value::Float(sign * parsed.as_secs_f64()))
    }),
];

/// Those that look at the world.
const SCOPED: &[(&str, Scoped)] = &[
    ("query", |scope, args| {
        let samples = (scope.ask)(text(args, 0)?).map_err(wrong)?;
        let samples: Vec<Value> = samples.iter().map(values::sample).collect();
        Ok(Value::List(samples.into()))
    }),
    ("now", |scope, _| {
        #[expect(clippy::cast_precision_loss, reason = "times of our age are exact")]
        let seconds = scope.at as f64 / 1000.0;
        Ok(Value::Float(seconds))
    }),
    ("externalURL", |scope, _| {
        Ok(Value::String(scope.external_url.clone()))
    }),
    ("pathPrefix", |scope, _| {
        let after_scheme = scope
            .external_url
            .split_once("://")
            .map_or(&*scope.external_url, |(_, rest)| rest);
        let path = after_scheme.find('/').map_or("", |at| &after_scheme[at..]);
        Ok(text_value(path.to_owned()))
    }),
];

/// Whether a template may call it.
pub fn exists(name: &str) -> bool {
    BUILT_IN.contains(&name)
        || FUNCTIONS
            .iter()
            .any(|(known, _)| *known == name && !known.starts_with('_'))
        || SCOPED.iter().any(|(known, _)| *known == name)
}

/// All of them for gotmpl; those that look at the world find it in the cell.
pub fn all(cell: &Cell) -> FuncMap {
    let mut map = FuncMap::new();
    for (name, function) in FUNCTIONS {
        map.insert((*name).to_owned(), Arc::new(function));
    }
    for (name, function) in SCOPED {
        let cell = Arc::clone(cell);
        let scoped = move |args: &[Value]| {
            let scope = cell.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let scope = scope.ok_or_else(|| wrong("no evaluation is under way"))?;
            function(&scope, args)
        };
        map.insert((*name).to_owned(), Arc::new(scoped));
    }
    map
}

/// Sets what the functions see, or takes it away.
pub fn set(cell: &Cell, scope: Option<Scope>) {
    *cell.lock().unwrap_or_else(PoisonError::into_inner) = scope;
}

fn text_value(text: String) -> Value {
    Value::String(text.into())
}

fn nth(args: &[Value], index: usize) -> Result<&Value, TemplateError> {
    args.get(index).ok_or_else(|| {
        wrong(format!(
            "wrong number of args: want at least {} got {}",
            index + 1,
            args.len()
        ))
    })
}

fn one(args: &[Value]) -> Result<&Value, TemplateError> {
    match args {
        [value] => Ok(value),
        _ => Err(wrong(format!(
            "wrong number of args: want 1 got {}",
            args.len()
        ))),
    }
}

fn text(args: &[Value], index: usize) -> Result<&str, TemplateError> {
    let value = nth(args, index)?;
    value.as_str().ok_or_else(|| {
        wrong(format!(
            "wrong type for value; expected string; got {}",
            value.type_name()
        ))
    })
}

/// A number, or a text that is one (Prometheus's `ConvertToFloat`).
fn number(args: &[Value]) -> Result<f64, TemplateError> {
    let value = one(args)?;
    if let Some(nanoseconds) = values::as_duration(value) {
        #[expect(clippy::cast_precision_loss, reason = "as Go's Duration.Seconds")]
        let seconds = nanoseconds as f64 / 1e9;
        return Ok(seconds);
    }
    if let Some(text) = value.as_str() {
        return text.parse().map_err(|_| {
            wrong(format!(
                "strconv.ParseFloat: parsing {text:?}: invalid syntax"
            ))
        });
    }
    value
        .as_float()
        .ok_or_else(|| wrong(format!("can't convert {} to float", value.type_name())))
}

fn regex(pattern: &str) -> Result<Regex, TemplateError> {
    Regex::new(pattern).map_err(|error| wrong(format!("error parsing regexp {pattern:?}: {error}")))
}

fn fields(args: &[Value]) -> Answer {
    let mut value = nth(args, 0)?.clone();
    for name in &args[1..] {
        value = values::field(&value, name.as_str().unwrap_or_default())?;
    }
    Ok(value)
}

fn method(args: &[Value]) -> Answer {
    let (target, name) = (nth(args, 0)?, text(args, 1)?);
    match values::as_time(target) {
        Some(milliseconds) => time::method(milliseconds, name, &args[2..]),
        None => Err(wrong(format!(
            "{name} has arguments but cannot be invoked as function"
        ))),
    }
}

fn index(args: &[Value]) -> Answer {
    let mut value = nth(args, 0)?.clone();
    for key in &args[1..] {
        value = match (&value, key.as_str()) {
            (Value::Map(_), Some(name)) => values::field(&value, name)?,
            _ => value.index(key)?,
        };
    }
    Ok(value)
}

fn first(args: &[Value]) -> Answer {
    match one(args)? {
        Value::List(items) => items
            .first()
            .cloned()
            .ok_or_else(|| wrong("error calling first: first() called on vector with no elements")),
        other => Err(wrong(format!(
            "wrong type for value; expected template.queryResult; got {}",
            other.type_name()
        ))),
    }
}

fn sort_by_label(args: &[Value]) -> Answer {
    let (name, list) = (text(args, 0)?, nth(args, 1)?);
    let Value::List(items) = list else {
        return Err(wrong("wrong type for value; expected template.queryResult"));
    };
    let mut items = items.to_vec();
    items.sort_by_cached_key(|item| {
        let labels = item.field("Labels").and_then(|labels| labels.field(name));
        labels
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    });
    Ok(Value::List(items.into()))
}

/// Each word's first letter as a capital, the others as they are.
fn title(text: &str) -> String {
    let mut inside = false;
    let mut capitals = String::with_capacity(text.len());
    for c in text.chars() {
        if !inside && c.is_alphabetic() {
            capitals.extend(c.to_uppercase());
        } else {
            capitals.push(c);
        }
        inside = c.is_alphanumeric() || c == '_' || (inside && c == '\'');
    }
    capitals
}

fn link(expression: &str, tab: u8) -> String {
    let escaped = gotmpl::url_encode(expression);
    format!("/graph?g0.expr={escaped}&g0.tab={tab}")
}
