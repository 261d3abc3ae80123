//! From the parser's tree to a [`Plan`].

use promql_parser::parser::{Expr, value::ValueType};

use crate::error::Error;
use crate::selector::Selector;

use super::selection::Reads;
use super::{Plan, Range, ScalarNode, Source, VectorNode, with_stack};

/// The plan of an expression, and what it selects.
///
/// # Errors
/// [`Error::Parse`] for types that do not fit, and for what is out of scope.
pub(crate) fn compile(expression: &Expr) -> Result<(Plan, Vec<Selector>), Error> {
    let mut compiler = Compiler {
        reads: Reads::default(),
        selectors: Vec::new(),
    };
    let part = compiler.part(expression)?;
    let plan = match part.settled(false).typed {
        Typed::Text(text) => Plan::Text(text),
        Typed::Scalar(node) => Plan::Scalar(node),
        Typed::Vector(node) => Plan::Vector(node),
        Typed::Matrix(range) => Plan::Matrix(range),
    };
    Ok((plan, compiler.selectors))
}

/// An error of parsing, in the form that Prometheus gives it.
pub(super) fn refuse(text: impl std::fmt::Display) -> Error {
    Error::Parse(format!("parse error: {text}"))
}

/// Goes through a tree.
pub(super) struct Compiler {
    /// How far back the subqueries around reach.
    pub reads: Reads,
    pub selectors: Vec<Selector>,
}

/// A part of the plan.
pub(super) struct Part {
    pub typed: Typed,
    /// Whether it is the same at all steps.
    pub invariant: bool,
}

pub(super) enum Typed {
    Text(String),
    Scalar(ScalarNode),
    Vector(VectorNode),
    Matrix(Range),
}

impl Typed {
    /// As Prometheus calls the type.
    pub fn documented(&self) -> &'static str {
        documented(self.value_type())
    }

    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Text(_) => ValueType::String,
            Self::Scalar(_) => ValueType::Scalar,
            Self::Vector(_) => ValueType::Vector,
            Self::Matrix(_) => ValueType::Matrix,
        }
    }
}

/// As Prometheus calls a type.
pub(super) fn documented(kind: ValueType) -> &'static str {
    match kind {
        ValueType::Vector => "instant vector",
        ValueType::Matrix => "range vector",
        ValueType::Scalar => "scalar",
        ValueType::String => "string",
    }
}

impl Part {
    pub fn scalar(node: ScalarNode, invariant: bool) -> Self {
        Self {
            typed: Typed::Scalar(node),
            invariant,
        }
    }

    pub fn vector(node: VectorNode, invariant: bool) -> Self {
        Self {
            typed: Typed::Vector(node),
            invariant,
        }
    }

    /// To be evaluated once if it is always the same, and that is not already so of what it is part of.
    pub fn settled(mut self, whole: bool) -> Self {
        if self.invariant && !whole {
            self.typed = match self.typed {
                Typed::Scalar(node) if !matches!(node, ScalarNode::Number(_)) => {
                    Typed::Scalar(ScalarNode::Once(Box::new(node)))
                }
                Typed::Vector(node) => Typed::Vector(VectorNode::Once(Box::new(node))),
                other => other,
            };
        }
        self
    }

    /// The scalar that it must be, [settled](Self::settled).
    pub fn into_scalar(self, whole: bool, place: &str) -> Result<ScalarNode, Error> {
        match self.settled(whole).typed {
            Typed::Scalar(node) => Ok(node),
            other => Err(unexpected(ValueType::Scalar, place, &other)),
        }
    }

    /// The vector that it must be, [settled](Self::settled).
    pub fn into_vector(self, whole: bool, place: &str) -> Result<VectorNode, Error> {
        match self.settled(whole).typed {
            Typed::Vector(node) => Ok(node),
            other => Err(unexpected(ValueType::Vector, place, &other)),
        }
    }
}

/// Another type than expected.
pub(super) fn unexpected(expected: ValueType, place: &str, got: &Typed) -> Error {
    refuse(format!(
        "expected type {} in {place}, got {}",
        documented(expected),
        got.documented()
    ))
}

impl Compiler {
    /// Any expression.
    pub fn part(&mut self, expression: &Expr) -> Result<Part, Error> {
        with_stack(|| self.part_of(expression))
    }

    fn part_of(&mut self, expression: &Expr) -> Result<Part, Error> {
        match expression {
            Expr::Paren(paren) => self.part(&paren.expr),
            Expr::NumberLiteral(number) => Ok(Part::scalar(ScalarNode::Number(number.val), true)),
            Expr::StringLiteral(text) => Ok(Part {
                typed: Typed::Text(text.val.clone()),
                invariant: true,
            }),
            Expr::VectorSelector(selector) => {
                let select = self.select(selector)?;
                let invariant = select.at.is_some();
                Ok(Part::vector(VectorNode::Instant(select), invariant))
            }
            Expr::MatrixSelector(selector) => {
                let range = self.range(selector)?;
                let invariant = range.at.is_some();
                Ok(Part {
                    typed: Typed::Matrix(range),
                    invariant,
                })
            }
            Expr::Subquery(subquery) => {
                let range = self.subquery(subquery)?;
                let invariant = range.at.is_some();
                Ok(Part {
                    typed: Typed::Matrix(range),
                    invariant,
                })
            }
            Expr::Unary(unary) => {
                let inner = self.part(&unary.expr)?;
                self.negation(inner)
            }
            Expr::Binary(binary) => self.binary(binary),
            Expr::Aggregate(aggregate) => self.aggregation(aggregate),
            Expr::Call(call) => self.call(call),
            Expr::Extension(_) => Err(refuse("extensions of the syntax are not supported")),
        }
    }

    fn negation(&self, inner: Part) -> Result<Part, Error> {
        let invariant = inner.invariant;
        match inner.typed {
            Typed::Scalar(ScalarNode::Number(number)) => {
                Ok(Part::scalar(ScalarNode::Number(-number), true))
            }
            Typed::Scalar(node) => Ok(Part::scalar(ScalarNode::Negate(Box::new(node)), invariant)),
            Typed::Vector(node) => Ok(Part::vector(VectorNode::Negate(Box::new(node)), invariant)),
            other => Err(refuse(format!(
                "unary expression only allowed on expressions of type scalar or instant vector, got {:?}",
                other.documented()
            ))),
        }
    }
}

/// The expression without parentheses around it.
pub(super) fn bare(mut expression: &Expr) -> &Expr {
    while let Expr::Paren(paren) = expression {
        expression = &paren.expr;
    }
    expression
}

impl Range {
    /// Of stored series, their matchers.
    pub fn matchers(&self) -> Option<&[promql_parser::label::Matcher]> {
        match &self.source {
            Source::Stored(matchers) => Some(matchers),
            Source::Subquery { .. } => None,
        }
    }
}
