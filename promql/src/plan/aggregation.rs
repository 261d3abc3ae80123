//! Aggregations.

use promql_parser::parser::{AggregateExpr, token};

use crate::error::Error;

use super::compile::{Compiler, Part, Typed, refuse};
use super::{Aggregate, Aggregation, Grouping, ScalarNode, VectorNode};

impl Compiler {
    pub fn aggregation(&mut self, aggregate: &AggregateExpr) -> Result<Part, Error> {
        let parameter = aggregate
            .param
            .as_deref()
            .map(|p| self.part(p))
            .transpose()?;
        let vector = self.part(&aggregate.expr)?;
        let whole = vector.invariant && parameter.as_ref().is_none_or(|p| p.invariant);
        let number = |parameter: Option<Part>| -> Result<ScalarNode, Error> {
            let missing = || refuse("expected a parameter in aggregation expression");
            let parameter = parameter.ok_or_else(missing)?;
            parameter.into_scalar(whole, "aggregation parameter")
        };
        let kind = match aggregate.op.id() {
            token::T_SUM => Aggregation::Sum,
            token::T_AVG => Aggregation::Average,
            token::T_COUNT => Aggregation::Count,
            token::T_MIN => Aggregation::Min,
            token::T_MAX => Aggregation::Max,
            token::T_GROUP => Aggregation::Group,
            token::T_STDDEV => Aggregation::StandardDeviation,
            token::T_STDVAR => Aggregation::Variance,
            token::T_QUANTILE => Aggregation::Quantile(number(parameter)?),
            token::T_TOPK => Aggregation::Top(number(parameter)?),
            token::T_BOTTOMK => Aggregation::Bottom(number(parameter)?),
            token::T_LIMITK => Aggregation::Limit(number(parameter)?),
            token::T_LIMIT_RATIO => Aggregation::LimitRatio(number(parameter)?),
            token::T_COUNT_VALUES => match parameter.map(|p| p.typed) {
                Some(Typed::Text(label)) => Aggregation::CountValues(label),
                _ => return Err(refuse("expected type string in aggregation parameter")),
            },
            _ => {
                let name = aggregate.op.to_string();
                return Err(refuse(format!(
                    "aggregation operator expected in aggregation expression but got {name:?}"
                )));
            }
        };
        let everything = Grouping::Only(Vec::new());
        let node = Aggregate {
            kind,
            vector: vector.into_vector(whole, "aggregation expression")?,
            grouping: Grouping::of(aggregate.modifier.as_ref(), everything),
        };
        Ok(Part::vector(VectorNode::Aggregate(Box::new(node)), whole))
    }
}
