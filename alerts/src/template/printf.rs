//! `print`, `println` and `printf`.

use std::sync::LazyLock;

use gotmpl::{Template, TemplateError, Value};

use super::go_float::special;
use super::values::{self, wrong};

/// As Go's Sprint: a space between two of which neither is a text.
pub fn print(args: &[Value]) -> String {
    let mut text = String::new();
    for (index, value) in args.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| args.get(before));
        if before.is_some_and(|b| b.as_str().is_none()) && value.as_str().is_none() {
            text.push(' ');
        }
        text.push_str(&shown(value));
    }
    text
}

/// As Go's Sprintln.
pub fn println(args: &[Value]) -> String {
    let shown: Vec<String> = args.iter().map(shown).collect();
    shown.join(" ") + "\n"
}

fn shown(value: &Value) -> String {
    match value {
        Value::Nil => "<nil>".to_owned(),
        other => values::show(other),
    }
}

/// The arguments that a call of `printf` may have in all.
const MOST_ARGUMENTS: usize = 16;

/// gotmpl's own `printf` for each number of arguments; it can only be called from a template.
static PRINTF: LazyLock<Vec<Option<Template>>> = LazyLock::new(|| {
    let call = |count: usize| {
        let arguments: String = (0..count).map(|n| format!(" (index . {n})")).collect();
        let template = Template::new("printf").parse(&format!("{{{{printf{arguments}}}}}"));
        template.ok()
    };
    (0..=MOST_ARGUMENTS).map(call).collect()
});

/// As Go's Sprintf.
///
/// # Errors
/// When the format is no text, or there are too many arguments.
pub fn printf(args: &[Value]) -> Result<Value, TemplateError> {
    let Some(Value::String(format)) = args.first() else {
        return Err(wrong("wrong type for value; expected string"));
    };
    let mut args: Vec<Value> = args.iter().map(printable).collect();
    if let Some(replaced) = infinities(format, &mut args[1..]) {
        args[0] = Value::String(replaced.into());
    }
    let template = PRINTF.get(args.len()).and_then(Option::as_ref);
    let template = template.ok_or_else(|| wrong("too many arguments for printf"))?;
    let text = template.execute_to_string(&Value::List(args.into()))?;
    Ok(Value::String(text.into()))
}

/// Times and durations, which gotmpl does not know, as texts.
fn printable(value: &Value) -> Value {
    match value {
        Value::Map(_) | Value::List(_) => Value::String(values::show(value).into()),
        other => other.clone(),
    }
}

/// gotmpl writes `inf` where Go writes `+Inf`. Where such a number is to be printed by a plain verb, the verb becomes
/// one for a text. A format with `*` or `[n]` is left as it is.
fn infinities(format: &str, args: &mut [Value]) -> Option<String> {
    let infinite = |value: &Value| matches!(value, Value::Float(number) if number.is_infinite());
    if !args.iter().any(infinite) || format.contains(['*', '[']) {
        return None;
    }
    let mut replaced = String::with_capacity(format.len());
    let (mut rest, mut next) = (format, 0);
    while let Some(percent) = rest.find('%') {
        let (before, after) = rest.split_at(percent);
        replaced.push_str(before);
        let verb_at = after[1..].find(|c: char| !"+-# 0123456789.".contains(c))? + 1;
        let verb = after[verb_at..].chars().next()?;
        let end = verb_at + verb.len_utf8();
        match args.get_mut(next) {
            _ if verb == '%' => replaced.push_str(&after[..end]),
            Some(value) if infinite(value) && "vgGeEfF".contains(verb) => {
                let flags: String = after[1..verb_at].split('.').take(1).collect();
                let width = flags.replace(['+', '#', ' '], "");
                let width = width.trim_start_matches('0');
                replaced.push_str(&format!("%{width}s"));
                if let Value::Float(number) = value {
                    let text = special(*number).unwrap_or_default();
                    *value = Value::String(text.into());
                }
                next += 1;
            }
            _ => {
                replaced.push_str(&after[..end]);
                next += 1;
            }
        }
        rest = &after[end..];
    }
    replaced.push_str(rest);
    Some(replaced)
}
