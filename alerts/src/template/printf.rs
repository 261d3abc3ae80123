//! `print`, `println` and `printf`.

use std::sync::LazyLock;

use gotmpl::{Template, TemplateError, Value};

use super::go_float::{self, special};
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
    if let Some(replaced) = floats(format, &mut args[1..]) {
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

/// Formats floats as Go does, for gotmpl differs in infinities, `%v`, `%g` with a precision, and wrong verbs: each verb
/// that a float is for becomes a `%s`, and the float its text. A format with `*` or `[n]` is left as it is.
fn floats(format: &str, args: &mut [Value]) -> Option<String> {
    let float = |value: &Value| matches!(value, Value::Float(_));
    if !args.iter().any(float) || format.contains(['*', '[']) {
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
            Some(value) => {
                if let Value::Float(number) = value {
                    let text = verb_of_float(&after[1..verb_at], verb, *number);
                    *value = Value::String(text.into());
                    replaced.push_str("%s");
                } else {
                    replaced.push_str(&after[..end]);
                }
                next += 1;
            }
            None => replaced.push_str(&after[..end]),
        }
        rest = &after[end..];
    }
    replaced.push_str(rest);
    Some(replaced)
}

/// One float, as Go's fmt writes it with these flags, width and precision.
fn verb_of_float(options: &str, verb: char, number: f64) -> String {
    let flags_end = options
        .find(|c: char| !"+-# 0".contains(c))
        .unwrap_or(options.len());
    let (flags, sizes) = options.split_at(flags_end);
    let (width, precision) = match sizes.split_once('.') {
        Some((width, precision)) => (width, Some(precision.parse().unwrap_or(0))),
        None => (sizes, None),
    };
    let magnitude = match (verb, precision) {
        ('v' | 'g' | 'G', None) => go_float::shortest(number.abs()),
        ('v' | 'g' | 'G', Some(precision)) => go_float::significant(number.abs(), precision),
        ('f' | 'F', precision) => format!("{:.*}", precision.unwrap_or(6), number.abs()),
        ('e' | 'E', precision) => go_float::scientific(number.abs(), precision.unwrap_or(6)),
        _ => return format!("%!{verb}(float64={})", go_float::shortest(number)),
    };
    let is_special = special(number).is_some();
    let sign = match number.is_sign_negative() && !number.is_nan() {
        true => "-",
        false if flags.contains('+') || number.is_infinite() => "+",
        false if flags.contains(' ') => " ",
        false => "",
    };
    let magnitude = match special(number.abs()) {
        Some(text) => text.trim_start_matches('+').to_owned(),
        None if matches!(verb, 'G' | 'E') => magnitude.to_uppercase(),
        None => magnitude,
    };
    // More than any text needs: a width is no way to fill the memory.
    let width = width.parse().unwrap_or(0).min(1_000);
    let missing = width - (sign.len() + magnitude.len()).min(width);
    if flags.contains('-') {
        format!("{sign}{magnitude}{}", " ".repeat(missing))
    } else if flags.contains('0') && !is_special {
        format!("{sign}{}{magnitude}", "0".repeat(missing))
    } else {
        format!("{}{sign}{magnitude}", " ".repeat(missing))
    }
}
