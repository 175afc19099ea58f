//! Members as real processes: killed, stopped, starved of their peers, given bad input.
//!
//! What a single room can be tested for, its own tests hold. Here stands what only processes show: that what was
//! acknowledged survives `kill -9`, that a client does not see an election, that bad input ends in a sentence and an exit
//! code. `support` holds the members, the client and the account of what was written; the other files are the stories.
//!
//! The tests wait for what must come, and measure nothing that they could fail by: how long a client waited is printed
//! (`cargo test --test processes -- --nocapture`), and is a question for an idle machine and a release build.

mod abuse;
mod catch_up;
mod leader_kills;
mod local_cluster;
mod power_loss;
mod quorum;

mod random_kills;
mod refusals;
mod signals;
mod support;
mod watches;
