//! An expression ready to be evaluated: functions resolved, matchers built, constants folded, and the parts
//! that do not depend on the step marked. Scalars and vectors are told apart by type, so that evaluation has
//! nothing left to check.

mod aggregation;
mod arithmetic;
mod call;
mod compile;
mod guard;
mod matching;
mod selection;

pub(crate) use compile::compile;
pub(crate) use guard::{check_text, with_stack};
pub(crate) use matching::Grouping;

use promql_parser::label::Matcher;
use promql_parser::parser::token;

use crate::functions::Function;
use crate::labels::Labels;
use crate::sample::Timestamp;

/// A whole expression.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    Text(String),
    Scalar(ScalarNode),
    Vector(VectorNode),
    Matrix(Range),
}

/// What has one number at each step.
#[derive(Clone, Debug)]
pub(crate) enum ScalarNode {
    Number(f64),
    Time,
    /// `start()`: of the whole query, in seconds.
    QueryStart,
    /// `end()`.
    QueryEnd,
    /// `range()`.
    QueryRange,
    /// `step()`.
    QueryStep,
    Negate(Box<ScalarNode>),
    Operate(ScalarOperator, Box<ScalarNode>, Box<ScalarNode>),
    /// `scalar()`.
    OfVector(Box<VectorNode>),
    /// The same at all steps.
    Once(Box<ScalarNode>),
}

/// What joins two scalars.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ScalarOperator {
    Of(Operator),
    /// `max_of()`.
    Larger,
    /// `min_of()`.
    Smaller,
}

/// What has series, with or without a value at each step.
#[derive(Clone, Debug)]
pub(crate) enum VectorNode {
    Instant(Select),
    /// The same at all steps.
    Once(Box<VectorNode>),
    Negate(Box<VectorNode>),
    WithScalar(Box<WithScalar>),
    Join(Box<Join>),
    Set(Box<Set>),
    Aggregate(Box<Aggregate>),
    OverWindow(Box<OverWindow>),
    Each(Box<Each>),
    OfTime(Box<OfTime>),
    /// `vector()`.
    OfScalar(Box<ScalarNode>),
    Absent(Box<VectorNode>, Labels),
    AbsentOverTime(Box<Range>, Labels),
    Relabel(Box<Relabel>),
    Sort(Box<VectorNode>, Order),
    /// `timestamp()` of what a selector finds: the samples' own times.
    SampleTimes(Select),
    /// `timestamp()` of anything else: the time of evaluation.
    StepTimes(Box<VectorNode>),
    Histogram(Box<Histogram>),
    /// A function of native histograms on floats: nothing.
    Nothing(Box<VectorNode>),
}

/// An instant selector.
#[derive(Clone, Debug)]
pub(crate) struct Select {
    pub matchers: Vec<Matcher>,
    /// Milliseconds back; negative: ahead.
    pub offset: i64,
    pub at: Option<At>,
}

/// What `@` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Time(Timestamp),
    QueryStart,
    QueryEnd,
}

/// A range selector or subquery.
#[derive(Clone, Debug)]
pub(crate) struct Range {
    pub source: Source,
    /// Milliseconds.
    pub range: i64,
    /// Milliseconds back; negative: ahead.
    pub offset: i64,
    pub at: Option<At>,
}

/// What the samples of a range come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Stored(Vec<Matcher>),
    Subquery {
        inner: VectorNode,
        /// Milliseconds; none: the default.
        step: Option<i64>,
    },
}

/// An arithmetic or comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Atan2,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
}

impl Operator {
    /// Of the parser's token.
    pub fn of(id: token::TokenId) -> Option<Self> {
        Some(match id {
            token::T_ADD => Self::Add,
            token::T_SUB => Self::Subtract,
            token::T_MUL => Self::Multiply,
            token::T_DIV => Self::Divide,
            token::T_MOD => Self::Modulo,
            token::T_POW => Self::Power,
            token::T_ATAN2 => Self::Atan2,
            token::T_EQLC => Self::Equal,
            token::T_NEQ => Self::NotEqual,
            token::T_GTR => Self::Greater,
            token::T_LSS => Self::Less,
            token::T_GTE => Self::GreaterOrEqual,
            token::T_LTE => Self::LessOrEqual,
            _ => return None,
        })
    }

    /// Whether it compares.
    pub fn compares(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::NotEqual
                | Self::Greater
                | Self::Less
                | Self::GreaterOrEqual
                | Self::LessOrEqual
        )
    }

    /// What arithmetic gives; of a comparison 0 or 1.
    pub fn apply(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Modulo => left % right,
            Self::Power => left.powf(right),
            Self::Atan2 => left.atan2(right),
            _ => f64::from(u8::from(self.holds(left, right))),
        }
    }

    /// Whether a comparison holds; never for arithmetic.
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Greater => left > right,
            Self::Less => left < right,
            Self::GreaterOrEqual => left >= right,
            Self::LessOrEqual => left <= right,
            _ => false,
        }
    }
}

/// An operator between a vector and a scalar.
#[derive(Clone, Debug)]
pub(crate) struct WithScalar {
    pub operator: Operator,
    pub vector: VectorNode,
    pub scalar: ScalarNode,
    pub scalar_left: bool,
    pub as_bool: bool,
}

/// Arithmetic or comparison between two vectors.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    pub operator: Operator,
    pub left: VectorNode,
    pub right: VectorNode,
    pub as_bool: bool,
    pub grouping: Grouping,
    pub card: Card,
    pub fill_left: Option<f64>,
    pub fill_right: Option<f64>,
}

/// How many members may match one.
#[derive(Clone, Debug)]
pub(crate) enum Card {
    OneToOne,
    /// `group_left`, with the labels taken from the right side.
    ManyLeft(Vec<String>),
    /// `group_right`, with the labels taken from the left side.
    ManyRight(Vec<String>),
}

/// `and`, `or`, `unless`.
#[derive(Clone, Debug)]
pub(crate) struct Set {
    pub operator: SetOperator,
    pub left: VectorNode,
    pub right: VectorNode,
    pub grouping: Grouping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetOperator {
    And,
    Or,
    Unless,
}

/// An aggregation.
#[derive(Clone, Debug)]
pub(crate) struct Aggregate {
    pub kind: Aggregation,
    pub vector: VectorNode,
    pub grouping: Grouping,
}

#[derive(Clone, Debug)]
pub(crate) enum Aggregation {
    Sum,
    Average,
    Count,
    Min,
    Max,
    Group,
    StandardDeviation,
    Variance,
    Quantile(ScalarNode),
    Top(ScalarNode),
    Bottom(ScalarNode),
    Limit(ScalarNode),
    LimitRatio(ScalarNode),
    CountValues(String),
}

/// A function of windows.
#[derive(Clone)]
pub(crate) struct OverWindow {
    pub function: &'static Function,
    pub range: Range,
    pub numbers: Vec<ScalarNode>,
}

/// A function of each value.
#[derive(Clone)]
pub(crate) struct Each {
    pub function: fn(f64, &[f64]) -> Option<f64>,
    pub vector: VectorNode,
    pub numbers: Vec<ScalarNode>,
}

/// A function of times.
#[derive(Clone)]
pub(crate) struct OfTime {
    pub function: fn(f64) -> f64,
    pub vector: Option<VectorNode>,
}

/// `label_replace` and `label_join`.
#[derive(Clone, Debug)]
pub(crate) struct Relabel {
    pub vector: VectorNode,
    pub target: String,
    pub value: NewValue,
}

#[derive(Clone, Debug)]
pub(crate) enum NewValue {
    /// Where the source matches, what the template makes of it.
    Replace {
        source: String,
        pattern: Box<regex::Regex>,
        template: String,
    },
    Join {
        sources: Vec<String>,
        separator: String,
    },
}

/// What to sort by.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub descending: bool,
    /// None: by value.
    pub labels: Option<Vec<String>>,
}

/// A function of classic histograms.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    pub vector: VectorNode,
    pub wanted: Wanted,
}

#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    Quantile(ScalarNode),
    Fraction {
        lower: ScalarNode,
        upper: ScalarNode,
    },
    /// Several, each told by a label.
    Quantiles {
        label: String,
        quantiles: Vec<ScalarNode>,
    },
}

macro_rules! named_debug {
    ($($kind:ident { $($field:ident),* }),* $(,)?) => { $(
        impl std::fmt::Debug for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($kind))
                    $(.field(stringify!($field), &self.$field))*
                    .finish_non_exhaustive()
            }
        }
    )* };
}

named_debug! {
    OverWindow { range, numbers },
    Each { vector, numbers },
    OfTime { vector },
}
