//! Go's comparisons in templates (text/template/funcs.go). NaN is equal to nothing and not less than anything; but
//! `gt` is there "not less or equal", so that NaN is greater than everything.

use std::cmp::Ordering;

use gotmpl::{TemplateError, Value};

use super::values::wrong;

type Answer = Result<Value, TemplateError>;

/// Whether the first is equal to one of the others.
///
/// # Errors
/// Types that cannot be compared.
pub fn eq(args: &[Value]) -> Answer {
    let [first, others @ ..] = args else {
        return Err(wrong("wrong number of args for eq: want at least 1 got 0"));
    };
    if others.is_empty() {
        return Err(wrong("missing argument for comparison"));
    }
    for other in others {
        if equal(first, other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

/// Whether two are different.
///
/// # Errors
/// Types that cannot be compared.
pub fn ne(args: &[Value]) -> Answer {
    let [first, second] = args else {
        return Err(wrong(format!(
            "wrong number of args for ne: want 2 got {}",
            args.len()
        )));
    };
    Ok(Value::Bool(!equal(first, second)?))
}

/// Whether two are in such an order; none is that of NaN.
///
/// # Errors
/// Types that have no order.
pub fn ordered(args: &[Value], wanted: fn(Option<Ordering>) -> bool) -> Answer {
    let [first, second] = args else {
        return Err(wrong(format!(
            "wrong number of args: want 2 got {}",
            args.len()
        )));
    };
    let order = match (first, second) {
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => match (integer(first), integer(second)) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => return Err(incompatible(first, second)),
        },
    };
    Ok(Value::Bool(wanted(order)))
}

fn equal(first: &Value, second: &Value) -> Result<bool, TemplateError> {
    match (first, second) {
        (Value::Float(a), Value::Float(b)) => Ok(a == b),
        (Value::String(a), Value::String(b)) => Ok(a == b),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        _ => match (integer(first), integer(second)) {
            (Some(a), Some(b)) => Ok(a == b),
            _ => Err(incompatible(first, second)),
        },
    }
}

fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Int(n) => Some(i128::from(*n)),
        Value::Uint(n) => Some(i128::from(*n)),
        _ => None,
    }
}

fn incompatible(first: &Value, second: &Value) -> TemplateError {
    wrong(format!(
        "incompatible types for comparison: {} and {}",
        first.type_name(),
        second.type_name()
    ))
}
