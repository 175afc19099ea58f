//! Tests of the protocol as a whole. Those of single rules stand beside the rules.

mod cluster;
mod random;
