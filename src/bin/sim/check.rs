//! `sim check`: every behaviour of very small clusters, within bounds.

use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Instant;

use raftwright::sim::model::{self, Bounds};

/// Performs `sim check`. It fails if a property is violated.
pub fn check(large: bool) -> ExitCode {
    let threads = available_parallelism().map_or(1, usize::from);
    let mut all = Bounds::small().to_vec();
    if large {
        all.extend(Bounds::large());
    }
    for (name, bounds) in all {
        let begun = Instant::now();
        let report = model::check(bounds, threads);
        println!("{name} ({:.1} s): {report}", begun.elapsed().as_secs_f64());
        if report.violation.is_some() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
