//! Operators between vectors, and between vectors and scalars.

mod join;
mod ordinals;
mod result;
mod set;
mod with_scalar;

pub(super) use ordinals::{Chains, Ordinals};
