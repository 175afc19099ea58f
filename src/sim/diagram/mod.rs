//! Space-time diagrams: what happened, as a picture.
//!
//! Time runs downward, and every member has a lane. An arrow is a message, from where it was sent to where it arrived; one
//! that ends in a cross was lost. What happened within a member stands beside its lane, and what the scenario asked for
//! stands at the left. A lane is thick while its member leads, and broken while it is down.
//!
//! # What is left out
//!
//! A picture shows what a reader needs, not everything that the trace knows: no writes to disks but those that the
//! scenario orders, no fresh followers that were followers before, and of [`settle`](super::scenario::Action::Settle) only what came
//! of it, since its messages are many and all alike. Messages that are still in flight at the end are not drawn. Equal messages
//! that one action loses on the same link are drawn once, with their number. Up to about sixty rows it reads well.
//!
//! # How to read it
//!
//! 1. `label.rs`: the words for messages and for what happens within a member.
//! 2. `plan.rs`: from the trace to rows, arrows and marks.
//! 3. `text.rs`, `svg.rs`: the same plan for a terminal and for a page.

mod label;
mod plan;
mod svg;
mod text;

#[cfg(test)]
mod tests;

pub use plan::Diagram;
