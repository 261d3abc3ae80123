//! Binary operators.

use promql_parser::parser::token::{T_LAND, T_LOR, T_LUNLESS};
use promql_parser::parser::{BinModifier, BinaryExpr, VectorMatchCardinality};

use crate::error::Error;

use super::compile::{Compiler, Part, Typed, refuse};
use super::{
    Card, Grouping, Join, Operator, ScalarNode, ScalarOperator, Set, SetOperator, VectorNode,
    WithScalar,
};

const PLACE: &str = "binary expression";

impl Compiler {
    pub fn binary(&mut self, binary: &BinaryExpr) -> Result<Part, Error> {
        let left = self.part(&binary.lhs)?;
        let right = self.part(&binary.rhs)?;
        let whole = left.invariant && right.invariant;
        let default = BinModifier::default();
        let modifier = binary.modifier.as_ref().unwrap_or(&default);
        let fills = modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some();
        match binary.op.id() {
            T_LAND => return set(SetOperator::And, left, right, modifier, fills),
            T_LOR => return set(SetOperator::Or, left, right, modifier, fills),
            T_LUNLESS => return set(SetOperator::Unless, left, right, modifier, fills),
            _ => {}
        }
        let Some(operator) = Operator::of(binary.op.id()) else {
            let name = binary.op.to_string();
            return Err(refuse(format!(
                "binary expression does not support operator {name:?}"
            )));
        };
        let both = matches!(
            (&left.typed, &right.typed),
            (Typed::Vector(_), Typed::Vector(_))
        );
        if fills && !both {
            return Err(refuse(
                "filling in missing series only allowed between instant vectors",
            ));
        }
        let as_bool = modifier.return_bool;
        match (&left.typed, &right.typed) {
            (Typed::Scalar(ScalarNode::Number(l)), Typed::Scalar(ScalarNode::Number(r))) => Ok(
                Part::scalar(ScalarNode::Number(operator.apply(*l, *r)), true),
            ),
            (Typed::Scalar(_), Typed::Scalar(_)) => {
                let left = left.into_scalar(whole, PLACE)?;
                let right = right.into_scalar(whole, PLACE)?;
                let operator = ScalarOperator::Of(operator);
                let node = ScalarNode::Operate(operator, Box::new(left), Box::new(right));
                Ok(Part::scalar(node, whole))
            }
            (Typed::Vector(_), Typed::Vector(_)) => {
                let join = Join {
                    operator,
                    left: left.into_vector(whole, PLACE)?,
                    right: right.into_vector(whole, PLACE)?,
                    as_bool,
                    grouping: grouping(modifier),
                    card: card(&modifier.card),
                    fill_left: modifier.fill_values.lhs,
                    fill_right: modifier.fill_values.rhs,
                };
                Ok(Part::vector(VectorNode::Join(Box::new(join)), whole))
            }
            (typed, _) => {
                let scalar_left = matches!(typed, Typed::Scalar(_));
                let (scalar, vector) = if scalar_left {
                    (left, right)
                } else {
                    (right, left)
                };
                let node = WithScalar {
                    operator,
                    vector: vector.into_vector(whole, PLACE)?,
                    scalar: scalar.into_scalar(whole, PLACE)?,
                    scalar_left,
                    as_bool,
                };
                Ok(Part::vector(VectorNode::WithScalar(Box::new(node)), whole))
            }
        }
    }
}

fn set(
    operator: SetOperator,
    left: Part,
    right: Part,
    modifier: &BinModifier,
    fills: bool,
) -> Result<Part, Error> {
    if fills {
        return Err(refuse(
            "filling in missing series not allowed for set operators",
        ));
    }
    let whole = left.invariant && right.invariant;
    let node = Set {
        operator,
        left: left.into_vector(whole, PLACE)?,
        right: right.into_vector(whole, PLACE)?,
        grouping: grouping(modifier),
    };
    Ok(Part::vector(VectorNode::Set(Box::new(node)), whole))
}

fn grouping(modifier: &BinModifier) -> Grouping {
    Grouping::of(modifier.matching.as_ref(), Grouping::Without(Vec::new()))
}

fn card(card: &VectorMatchCardinality) -> Card {
    match card {
        VectorMatchCardinality::ManyToOne(include) => Card::ManyLeft(include.labels.clone()),
        VectorMatchCardinality::OneToMany(include) => Card::ManyRight(include.labels.clone()),
        VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany => Card::OneToOne,
    }
}
