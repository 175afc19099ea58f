//! The mistakes that people make in Raft, each as a switch at one point of the real code.
//!
//! A test that has never failed proves little. So the mistakes that learners and products have really made are kept here
//! as *mutants*: where the code does the right thing, it asks [`is`] whether it shall do the wrong one. Tests and the
//! simulator let one mutant live at a time, and every one must be caught, by name.
//!
//! In a build that is neither a test nor has the feature `mutants`, [`is`] is the constant `false`, and the compiler
//! leaves nothing of the wrong branches. What stays is this list.
//!
//! The numbers are those of the list from which the book teaches: after the Students' Guide to Raft, course forums, the
//! errata of the thesis, and public bug reports. A mistake that can be made in two ways has two mutants. There is no 28.
//!
//! # Mistakes that cannot be made here
//!
//! | number | mistake | why |
//! |---|---|---|
//! | 20 | `next` decremented because of a refusal of the *term* | the two refusals are different messages, and one that bears a higher term has deposed the leader before anybody looks at what it says |
//! | 28 | | the list has no such number |
//! | 37 | answered because *my index* was applied, whoever's entry it was | nobody waits for an index: the entry carries the request's id, and the answer goes to that id |
//! | 42 | a new configuration used only once it is committed | membership does not change yet |
//! | 43 | a configuration change before an entry of one's own term has committed | as 42 |
//! | 45 | an empty member given a vote at once | as 42 |

use std::fmt;
use std::str::FromStr;

/// Defines the mutants: number, variant, name and sentence, by the chapters of the book that teach them.
macro_rules! mutants {
    ($($chapter:literal { $($number:literal $variant:ident $name:literal $sentence:literal)* })*) => {
        /// One mistake.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mutant {
            $($(#[doc = $sentence] $variant,)*)*
        }

        impl Mutant {
            /// All of them, in the order of the book.
            pub const ALL: &[Mutant] = &[$($(Mutant::$variant,)*)*];

            /// The number of the mistake. Two mutants may share one.
            pub const fn number(self) -> u32 {
                match self { $($(Mutant::$variant => $number,)*)* }
            }

            /// Its name, as scenarios and programs say it: `vote-cleared-on-step-down`.
            pub const fn name(self) -> &'static str {
                match self { $($(Mutant::$variant => $name,)*)* }
            }

            /// What goes wrong, in one sentence.
            pub const fn sentence(self) -> &'static str {
                match self { $($(Mutant::$variant => $sentence,)*)* }
            }

            /// The chapter of the book that breaks the code in this way.
            pub const fn chapter(self) -> &'static str {
                match self { $($(Mutant::$variant => $chapter,)*)* }
            }
        }
    };
}

mutants! {
    "Terms and votes" {
        4 MessageBeforeItsTerm "message-before-its-term"
            "A message is handled before its higher term is adopted."
        5 HigherTermIgnored "higher-term-ignored"
            "A higher term is never adopted."
        5 TermTakenFromPreVote "term-taken-from-pre-vote"
            "A member takes the term that another only asks about."
        7 VoteClearedOnStepDown "vote-cleared-on-step-down"
            "Stepping down within a term frees the vote."
        9 DuplicateVoteCounted "duplicate-vote-counted"
            "A vote that arrives twice counts twice."
        10 OldVoteCounted "old-vote-counted"
            "A vote that was given in an older term counts in this one."
    }
    "Timers and livelock" {
        1 TimerResetByAnyMessage "timer-reset-by-any-message"
            "Any message, whoever sent it, makes a follower wait anew."
        3 CandidateWaitsForEver "candidate-waits-for-ever"
            "A candidate whose timeout passes does not stand again."
        11 TimeoutsNotRandom "timeouts-not-random"
            "All members wait equally long before they stand for election."
    }
    "Copying the log" {
        2 StaleAppendAccepted "stale-append-accepted"
            "A follower takes orders from the leader of an older term."
        12 HeartbeatSkipsCheck "heartbeat-skips-check"
            "A heartbeat commits entries that nobody has compared with the leader's."
        13 TruncatedWithoutConflict "truncated-without-conflict"
            "An append cuts the log behind it, whether or not it conflicts."
        14 PreviousBeyondEndAccepted "previous-beyond-end-accepted"
            "An append behind an entry that the follower does not have yet is accepted."
        15 RefusedAndStored "refused-and-stored"
            "A follower refuses an append, then stores it all the same."
    }
    "Who may lead?" {
        6 LogsComparedByLength "logs-compared-by-length"
            "The longer log wins the vote, whatever the terms of its entries."
        6 LogsComparedBackwards "logs-compared-backwards"
            "A voter prefers candidates whose logs are behind its own."
    }
    "What is committed?" {
        16 CommitBeyondVerified "commit-beyond-verified"
            "A follower commits as far as the leader, beyond the last entry that the append has verified."
        23 OldTermCommittedByCounting "old-term-committed-by-counting"
            "An entry of an older term is committed because a majority holds it (Raft Figure 8)."
        24 CommitMovesBack "commit-moves-back"
            "The commit index follows whoever spoke last, also backwards."
        25 UncommittedApplied "uncommitted-applied"
            "Whatever the disk holds is applied, committed or not."
        27 CommitOnlyWhenSending "commit-only-when-sending"
            "An acknowledgement commits nothing; that waits until the leader writes again."
    }
    "Late replies, fast catch-up" {
        17 NextTakenForMatch "next-taken-for-match"
            "What was sent to a follower counts as stored by it."
        18 MatchFromCurrentLog "match-from-current-log"
            "An acknowledgement counts for all that the leader has by now, not for what was sent."
        19 StaleRepliesProcessed "stale-replies-processed"
            "An acknowledgement of an older term counts in this one."
        21 BackUpOffByOne "back-up-off-by-one"
            "After a refusal the leader tries again one entry too far ahead."
        21 BackUpOneAtATime "back-up-one-at-a-time"
            "After a refusal the leader goes back by a single entry, one a round trip."
        22 PreviousTakenForLast "previous-taken-for-last"
            "A follower acknowledges the entry before those that it was sent."
    }
    "Disks lie" {
        8 VoteBeforeDurable "vote-before-durable"
            "A vote, or a candidate's request for one, leaves before term and vote are durable."
        29 AcknowledgedBeforeSync "acknowledged-before-sync"
            "A follower acknowledges entries before its disk has confirmed them."
        29 OwnCopyBeforeDurable "own-copy-before-durable"
            "A leader counts its own copy of an entry before its disk has confirmed it."
        29 SyncSkipped "sync-skipped"
            "The log says that it is durable, and has not synced."
        30 TruncationNotDurable "truncation-not-durable"
            "A conflicting tail is replaced in memory and stays on the disk."
        31 TornTailAccepted "torn-tail-accepted"
            "A record that was torn by a crash is read as if it were whole."
        31 GoodEntriesCutWithTornTail "good-entries-cut-with-torn-tail"
            "The last good entry is dropped together with the torn record behind it."
    }
    "Forgetting safely" {
        32 SnapshotAndLogApart "snapshot-and-log-apart"
            "A snapshot that replaces the log becomes durable, and the end of the old log does not."
        33 OldSnapshotInstalled "old-snapshot-installed"
            "A snapshot of what is long committed rewinds the state."
        34 SnapshotLostAtNextSegment "snapshot-lost-at-next-segment"
            "The next segment of the log forgets which snapshots count."
        35 OffsetIgnoresCompaction "offset-ignores-compaction"
            "After compaction an index is still taken for a place in the list of entries."
        36 SuffixThrownAway "suffix-thrown-away"
            "A snapshot throws away the entries behind it that a log rightly holds."
    }
    "Answering exactly once" {
        26 AppliedTwice "applied-twice"
            "The last entry of each batch is handed to the state machine again with the next one."
        38 RetryExecutedTwice "retry-executed-twice"
            "A command that was proposed again after a change of leader is executed again."
        41 DefiniteErrorForUnknownOutcome "definite-error-for-unknown-outcome"
            "A client is told that a write failed which may still happen."
    }
    "Honest reads" {
        39 ReadsFromOwnMemory "reads-from-own-memory"
            "A leader answers reads without asking whether it still leads."
        40 ReadBeforeOwnCommit "read-before-own-commit"
            "A new leader answers reads before an entry of its own term is committed."
    }
    "Calm clusters" {
        44 ReturningNodeDisrupts "returning-node-disrupts"
            "A member that hears its leader well still listens to whoever wants to unseat it."
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no mutant of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMutant(pub String);

impl fmt::Display for UnknownMutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no mutant {:?}; one of them is {}", self.0, Mutant::VoteClearedOnStepDown)
    }
}

impl std::error::Error for UnknownMutant {}

impl FromStr for Mutant {
    type Err = UnknownMutant;

    fn from_str(name: &str) -> Result<Mutant, UnknownMutant> {
        let named = Mutant::ALL.iter().copied().find(|mutant| mutant.name() == name);
        named.ok_or_else(|| UnknownMutant(name.to_owned()))
    }
}

/// Whether this build has the mutants in it.
pub const ARE_COMPILED_IN: bool = cfg!(any(test, feature = "mutants"));

/// Whether the code shall make this mistake.
#[cfg(not(any(test, feature = "mutants")))]
#[inline(always)]
pub const fn is(_: Mutant) -> bool {
    false
}

#[cfg(any(test, feature = "mutants"))]
pub use live::{Alive, active, is, let_live};

#[cfg(any(test, feature = "mutants"))]
mod live {
    use std::cell::Cell;
    use std::marker::PhantomData;

    use crate::mutants::Mutant;

    thread_local! {
        static ACTIVE: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Whether the code shall make this mistake.
    #[inline]
    pub fn is(mutant: Mutant) -> bool {
        active() == Some(mutant)
    }

    /// The mutant that lives on this thread.
    #[inline]
    pub fn active() -> Option<Mutant> {
        ACTIVE.get()
    }

    /// Lets a mutant live on this thread, and none beside it, until the guard is dropped.
    pub fn let_live(mutant: Mutant) -> Alive {
        Alive { before: ACTIVE.replace(Some(mutant)), on_this_thread: PhantomData }
    }

    /// While this is held, a mutant lives. Dropping it, also by a panic, brings back what was before.
    #[must_use = "the mutant lives as long as this is held"]
    #[derive(Debug)]
    pub struct Alive {
        before: Option<Mutant>,
        on_this_thread: PhantomData<*const ()>,
    }

    impl Drop for Alive {
        fn drop(&mut self) {
            ACTIVE.set(self.before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_mutant_is_found_by_its_name_and_no_other() {
        let names: BTreeSet<&str> = Mutant::ALL.iter().map(|mutant| mutant.name()).collect();
        assert_eq!(names.len(), Mutant::ALL.len());
        for mutant in Mutant::ALL {
            assert_eq!(mutant.name().parse(), Ok(*mutant));
            assert!(mutant.name().chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{mutant}");
        }
        let error = "Vote-Cleared".parse::<Mutant>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no mutant \"Vote-Cleared\"; one of them is vote-cleared-on-step-down"
        );
    }

    #[test]
    fn every_mistake_of_the_list_has_a_mutant_or_a_reason_why_not() {
        let page = include_str!("mutants.rs");
        let has_reason =
            |number: u32| page.lines().any(|line| line.starts_with(&format!("//! | {number} |")));
        for number in 1..=45 {
            let has_mutant = Mutant::ALL.iter().any(|mutant| mutant.number() == number);
            assert_ne!(has_mutant, has_reason(number), "mistake {number}");
        }
    }

    #[test]
    fn a_mutant_lives_as_long_as_its_guard_and_only_on_its_thread() {
        assert_eq!(active(), None);
        {
            let _outer = let_live(Mutant::OldVoteCounted);
            assert!(is(Mutant::OldVoteCounted) && !is(Mutant::SyncSkipped));
            std::panic::catch_unwind(|| {
                let _inner = let_live(Mutant::SyncSkipped);
                assert!(is(Mutant::SyncSkipped) && !is(Mutant::OldVoteCounted));
                std::panic::resume_unwind(Box::new(()));
            })
            .unwrap_err();
            assert!(is(Mutant::OldVoteCounted));
            std::thread::spawn(|| assert_eq!(active(), None)).join().unwrap();
        }
        assert_eq!(active(), None);
    }
}
