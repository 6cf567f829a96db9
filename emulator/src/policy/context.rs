//! What the policy variables stand for in one connection or request.
//!
//! Skeleton: the signatures.

/// The policy variables of one connection or request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {}

impl Context {
    /// A context in which no variable has a value yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Gives the variable `name` one value.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        let _ = (name, value.into());
    }

    /// Gives the variable `name` a set of values.
    pub(crate) fn set_list(&mut self, name: &str, values: &[&str]) {
        let _ = (name, values);
    }

    /// Says why the variable `name` has no value; a name that ends in `.` speaks for all below it.
    pub(crate) fn absent(&mut self, name: &str, why: impl Into<String>) {
        let _ = (name, why.into());
    }
}
