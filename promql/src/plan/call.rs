//! Calls of functions.

use promql_parser::parser::Call;
use promql_parser::parser::value::ValueType;

use crate::error::Error;
use crate::functions::{self, Kind};
use crate::labels::Labels;

use super::compile::{Compiler, Part, Typed, bare, refuse, unexpected};
use super::{
    Each, Histogram, NewValue, OfTime, Order, OverWindow, Range, Relabel, ScalarNode,
    ScalarOperator, VectorNode, Wanted,
};

impl Compiler {
    pub fn call(&mut self, call: &Call) -> Result<Part, Error> {
        let name = call.func.name;
        let unsupported = || refuse(format!("function {name:?} is not supported"));
        let Some(function) = functions::find(name) else {
            return Err(unsupported());
        };
        let mut arguments = Arguments::of(self, call)?;
        let whole = arguments.parts.iter().all(|part| part.invariant);
        match function.kind {
            Kind::OverWindow(_) => {
                // What it looks ahead to counts from the time of evaluation.
                let whole = whole && name != "predict_linear";
                let node = OverWindow {
                    function,
                    range: arguments.range()?,
                    numbers: arguments.scalars(whole)?,
                };
                Ok(Part::vector(VectorNode::OverWindow(Box::new(node)), whole))
            }
            Kind::Each(each) => {
                let node = Each {
                    function: each,
                    vector: arguments.vector(whole)?,
                    numbers: arguments.scalars(whole)?,
                };
                Ok(Part::vector(VectorNode::Each(Box::new(node)), whole))
            }
            Kind::OfTime(of_time) => {
                let given = !arguments.parts.is_empty();
                let node = OfTime {
                    function: of_time,
                    vector: given.then(|| arguments.vector(whole)).transpose()?,
                };
                let whole = whole && given;
                Ok(Part::vector(VectorNode::OfTime(Box::new(node)), whole))
            }
            Kind::Whole => whole_call(call, arguments, whole)?.ok_or_else(unsupported),
        }
    }
}

/// A call that the engine itself does; none if it cannot.
fn whole_call(
    call: &Call,
    mut arguments: Arguments<'_>,
    whole: bool,
) -> Result<Option<Part>, Error> {
    let scalar = |node| Ok(Some(Part::scalar(node, whole)));
    let node = match call.func.name {
        "pi" => return scalar(ScalarNode::Number(std::f64::consts::PI)),
        "start" => return scalar(ScalarNode::QueryStart),
        "end" => return scalar(ScalarNode::QueryEnd),
        "range" => return scalar(ScalarNode::QueryRange),
        "step" => return scalar(ScalarNode::QueryStep),
        "time" => return Ok(Some(Part::scalar(ScalarNode::Time, false))),
        "scalar" => return scalar(ScalarNode::OfVector(Box::new(arguments.vector(whole)?))),
        "max_of" => return scalar(arguments.pair(ScalarOperator::Larger, whole)?),
        "min_of" => return scalar(arguments.pair(ScalarOperator::Smaller, whole)?),
        "vector" => VectorNode::OfScalar(Box::new(arguments.scalar(whole)?)),
        "absent" => {
            let labels = match arguments.parts.first().map(|part| &part.typed) {
                Some(Typed::Vector(VectorNode::Instant(select))) => {
                    VectorNode::of_absent(&select.matchers)
                }
                _ => Labels::empty(),
            };
            VectorNode::Absent(Box::new(arguments.vector(whole)?), labels)
        }
        "absent_over_time" => {
            let range = arguments.range()?;
            let labels = range
                .matchers()
                .map_or_else(Labels::empty, VectorNode::of_absent);
            VectorNode::AbsentOverTime(Box::new(range), labels)
        }
        "timestamp" => return Ok(Some(timestamp(&mut arguments, whole)?)),
        "label_replace" => VectorNode::Relabel(Box::new(label_replace(&mut arguments, whole)?)),
        "label_join" => VectorNode::Relabel(Box::new(label_join(&mut arguments, whole)?)),
        "sort" | "sort_desc" | "sort_by_label" | "sort_by_label_desc" => {
            let by_label = call.func.name.starts_with("sort_by_label");
            let vector = arguments.vector(whole)?;
            let order = Order {
                descending: call.func.name.ends_with("_desc"),
                labels: by_label.then(|| arguments.texts()).transpose()?,
            };
            VectorNode::Sort(Box::new(vector), order)
        }
        "histogram_quantile" => {
            let wanted = Wanted::Quantile(arguments.scalar(whole)?);
            histogram(arguments.vector(whole)?, wanted)
        }
        "histogram_fraction" => {
            let wanted = Wanted::Fraction {
                lower: arguments.scalar(whole)?,
                upper: arguments.scalar(whole)?,
            };
            histogram(arguments.vector(whole)?, wanted)
        }
        "histogram_quantiles" => {
            let vector = arguments.vector(whole)?;
            let label = arguments.text()?;
            let quantiles = arguments.scalars(whole)?;
            histogram(vector, Wanted::Quantiles { label, quantiles })
        }
        "histogram_count" | "histogram_sum" | "histogram_avg" | "histogram_stddev"
        | "histogram_stdvar" | "start_timestamp" => {
            VectorNode::Nothing(Box::new(arguments.vector(whole)?))
        }
        _ => return Ok(None),
    };
    Ok(Some(Part::vector(node, whole)))
}

fn histogram(vector: VectorNode, wanted: Wanted) -> VectorNode {
    VectorNode::Histogram(Box::new(Histogram { vector, wanted }))
}

fn timestamp(arguments: &mut Arguments<'_>, whole: bool) -> Result<Part, Error> {
    let vector = arguments.parts.first().map(|part| &part.typed);
    if let Some(Typed::Vector(VectorNode::Instant(select))) = vector {
        return Ok(Part::vector(VectorNode::SampleTimes(select.clone()), whole));
    }
    // Not the same at all steps, whatever it is of.
    let node = VectorNode::StepTimes(Box::new(arguments.vector(false)?));
    Ok(Part::vector(node, false))
}

fn label_replace(arguments: &mut Arguments<'_>, whole: bool) -> Result<Relabel, Error> {
    let vector = arguments.vector(whole)?;
    let target = arguments.text()?;
    let (template, source) = (arguments.text()?, arguments.text()?);
    let pattern = arguments.text()?;
    if target.is_empty() {
        return Err(Error::Parse(format!(
            "invalid destination label name in label_replace(): {target}"
        )));
    }
    let Ok(regex) = crate::pattern::anchored(&pattern) else {
        return Err(Error::Parse(format!(
            "invalid regular expression in label_replace(): {pattern}"
        )));
    };
    let value = NewValue::Replace {
        source,
        pattern: Box::new(regex),
        template,
    };
    Ok(Relabel {
        vector,
        target,
        value,
    })
}

fn label_join(arguments: &mut Arguments<'_>, whole: bool) -> Result<Relabel, Error> {
    let vector = arguments.vector(whole)?;
    let (target, separator) = (arguments.text()?, arguments.text()?);
    let sources = arguments.texts()?;
    for (name, place) in sources
        .iter()
        .map(|source| (source, "source"))
        .chain([(&target, "destination")])
    {
        if name.is_empty() {
            return Err(Error::Parse(format!(
                "invalid {place} label name in label_join(): {name}"
            )));
        }
    }
    let value = NewValue::Join { sources, separator };
    Ok(Relabel {
        vector,
        target,
        value,
    })
}

/// The arguments of a call, of the types that it wants, taken one after the other.
struct Arguments<'a> {
    name: &'a str,
    parts: Vec<Part>,
}

impl<'a> Arguments<'a> {
    fn of(compiler: &mut Compiler, call: &'a Call) -> Result<Self, Error> {
        let name = call.func.name;
        let mut parts = Vec::with_capacity(call.args.len());
        for (index, argument) in call.args.args.iter().enumerate() {
            let part = compiler.part(bare(argument))?;
            let wanted = call
                .func
                .arg_types
                .get(index)
                .or(call.func.arg_types.last());
            if let Some(&wanted) = wanted.filter(|wanted| **wanted != part.typed.value_type()) {
                let place = format!("call to function {name:?}");
                return Err(unexpected(wanted, &place, &part.typed));
            }
            parts.push(part);
        }
        Ok(Self { name, parts })
    }

    fn next(&mut self, wanted: ValueType) -> Result<Part, Error> {
        if self.parts.is_empty() {
            let name = self.name;
            return Err(refuse(format!(
                "too few arguments in call to {name:?}, {wanted} expected"
            )));
        }
        Ok(self.parts.remove(0))
    }

    fn vector(&mut self, whole: bool) -> Result<VectorNode, Error> {
        self.next(ValueType::Vector)?.into_vector(whole, self.name)
    }

    fn scalar(&mut self, whole: bool) -> Result<ScalarNode, Error> {
        self.next(ValueType::Scalar)?.into_scalar(whole, self.name)
    }

    /// The rest.
    fn scalars(&mut self, whole: bool) -> Result<Vec<ScalarNode>, Error> {
        let parts = self.parts.drain(..);
        parts
            .map(|part| part.into_scalar(whole, self.name))
            .collect()
    }

    fn pair(&mut self, operator: ScalarOperator, whole: bool) -> Result<ScalarNode, Error> {
        let (left, right) = (self.scalar(whole)?, self.scalar(whole)?);
        Ok(ScalarNode::Operate(
            operator,
            Box::new(left),
            Box::new(right),
        ))
    }

    fn text(&mut self) -> Result<String, Error> {
        match self.next(ValueType::String)?.typed {
            Typed::Text(text) => Ok(text),
            other => Err(unexpected(ValueType::String, self.name, &other)),
        }
    }

    /// The rest.
    fn texts(&mut self) -> Result<Vec<String>, Error> {
        let mut texts = Vec::with_capacity(self.parts.len());
        while !self.parts.is_empty() {
            texts.push(self.text()?);
        }
        Ok(texts)
    }

    /// The range, wherever it stands.
    fn range(&mut self) -> Result<Range, Error> {
        let is_range = |part: &Part| matches!(part.typed, Typed::Matrix(_));
        let index = self.parts.iter().position(is_range).unwrap_or(0);
        if index >= self.parts.len() {
            return Err(refuse(format!(
                "too few arguments in call to {:?}",
                self.name
            )));
        }
        match self.parts.remove(index).typed {
            Typed::Matrix(range) => Ok(range),
            other => Err(unexpected(ValueType::Matrix, self.name, &other)),
        }
    }
}
