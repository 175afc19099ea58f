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

/// Defines the mutants: number, variant, name, file and sentence, by the chapters of the book that teach them.
macro_rules! mutants {
    ($($chapter:literal { $($number:literal $variant:ident $name:literal $file:literal $sentence:literal)* })*) => {
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

            /// The one file that consults it, below `src`.
            pub const fn file(self) -> &'static str {
                match self { $($(Mutant::$variant => $file,)*)* }
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
        4 MessageBeforeItsTerm "message-before-its-term" "raft/mod.rs"
            "A message is handled before its higher term is adopted."
        5 HigherTermIgnored "higher-term-ignored" "raft/mod.rs"
            "A higher term is never adopted."
        5 TermTakenFromPreVote "term-taken-from-pre-vote" "raft/election.rs"
            "A member takes the term that another only asks about."
        7 VoteClearedOnStepDown "vote-cleared-on-step-down" "raft/election.rs"
            "Stepping down within a term frees the vote."
        9 DuplicateVoteCounted "duplicate-vote-counted" "raft/election.rs"
            "A vote that arrives twice counts twice."
        10 OldVoteCounted "old-vote-counted" "raft/mod.rs"
            "A vote that was given in an older term counts in this one."
    }
    "Timers and livelock" {
        1 TimerResetByAnyMessage "timer-reset-by-any-message" "raft/mod.rs"
            "Any message, whoever sent it, makes a follower wait anew."
        3 CandidateWaitsForEver "candidate-waits-for-ever" "raft/election.rs"
            "A candidate whose timeout passes does not stand again."
        11 TimeoutsNotRandom "timeouts-not-random" "raft/election.rs"
            "All members wait equally long before they stand for election."
    }
    "Copying the log" {
        2 StaleAppendAccepted "stale-append-accepted" "raft/mod.rs"
            "A follower takes orders from the leader of an older term."
        12 HeartbeatSkipsCheck "heartbeat-skips-check" "raft/replication.rs"
            "A heartbeat commits entries that nobody has compared with the leader's."
        13 TruncatedWithoutConflict "truncated-without-conflict" "raft/append.rs"
            "An append cuts the log behind it, whether or not it conflicts."
        14 PreviousBeyondEndAccepted "previous-beyond-end-accepted" "raft/append.rs"
            "An append behind an entry that the follower does not have yet is accepted."
        15 RefusedAndStored "refused-and-stored" "raft/append.rs"
            "A follower refuses an append, then stores it all the same."
    }
    "Who may lead?" {
        6 LogsComparedByLength "logs-compared-by-length" "raft/election.rs"
            "The longer log wins the vote, whatever the terms of its entries."
        6 LogsComparedBackwards "logs-compared-backwards" "raft/election.rs"
            "A voter prefers candidates whose logs are behind its own."
    }
    "What is committed?" {
        16 CommitBeyondVerified "commit-beyond-verified" "raft/append.rs"
            "A follower commits as far as the leader, beyond the last entry that the append has verified."
        23 OldTermCommittedByCounting "old-term-committed-by-counting" "raft/commit.rs"
            "An entry of an older term is committed because a majority holds it (Raft Figure 8)."
        24 CommitMovesBack "commit-moves-back" "raft/commit.rs"
            "The commit index follows whoever spoke last, also backwards."
        25 UncommittedApplied "uncommitted-applied" "raft/commit.rs"
            "Whatever the disk holds is applied, committed or not."
        27 CommitOnlyWhenSending "commit-only-when-sending" "raft/replication.rs"
            "An acknowledgement commits nothing; that waits until the leader writes again."
    }
    "Late replies, fast catch-up" {
        17 NextTakenForMatch "next-taken-for-match" "raft/commit.rs"
            "What was sent to a follower counts as stored by it."
        18 MatchFromCurrentLog "match-from-current-log" "raft/replication.rs"
            "An acknowledgement counts for all that the leader has by now, not for what was sent."
        19 StaleRepliesProcessed "stale-replies-processed" "raft/mod.rs"
            "An acknowledgement of an older term counts in this one."
        21 BackUpOffByOne "back-up-off-by-one" "raft/replication.rs"
            "After a refusal the leader tries again one entry too far ahead."
        21 BackUpOneAtATime "back-up-one-at-a-time" "raft/replication.rs"
            "After a refusal the leader goes back by a single entry, one a round trip."
        22 PreviousTakenForLast "previous-taken-for-last" "raft/append.rs"
            "A follower acknowledges the entry before those that it was sent."
    }
    "Disks lie" {
        8 VoteBeforeDurable "vote-before-durable" "raft/promise.rs"
            "A vote, or a candidate's request for one, leaves before term and vote are durable."
        29 AcknowledgedBeforeSync "acknowledged-before-sync" "raft/promise.rs"
            "A follower acknowledges entries before its disk has confirmed them."
        29 OwnCopyBeforeDurable "own-copy-before-durable" "raft/commit.rs"
            "A leader counts its own copy of an entry before its disk has confirmed it."
        29 SyncSkipped "sync-skipped" "wal/log.rs"
            "The log says that it is durable, and has not synced."
        30 TruncationNotDurable "truncation-not-durable" "raft/append.rs"
            "A conflicting tail is replaced in memory and stays on the disk."
        31 TornTailAccepted "torn-tail-accepted" "wal/recovery.rs"
            "A record that was torn by a crash is read as if it were whole."
        31 GoodEntriesCutWithTornTail "good-entries-cut-with-torn-tail" "wal/open.rs"
            "The last good entry is dropped together with the torn record behind it."
    }
    "Forgetting safely" {
        32 SnapshotAndLogApart "snapshot-and-log-apart" "wal/log.rs"
            "A snapshot that replaces the log becomes durable, and the end of the old log does not."
        33 OldSnapshotInstalled "old-snapshot-installed" "raft/snapshot.rs"
            "A snapshot of what is long committed rewinds the state."
        34 SnapshotLostAtNextSegment "snapshot-lost-at-next-segment" "wal/log.rs"
            "The next segment of the log forgets which snapshots count."
        35 OffsetIgnoresCompaction "offset-ignores-compaction" "raft/log.rs"
            "After compaction an index is still taken for a place in the list of entries."
        36 SuffixThrownAway "suffix-thrown-away" "raft/snapshot.rs"
            "A snapshot throws away the entries behind it that a log rightly holds."
    }
    "Answering exactly once" {
        26 AppliedTwice "applied-twice" "raft/commit.rs"
            "The last entry of each batch is handed to the state machine again with the next one."
        38 RetryExecutedTwice "retry-executed-twice" "store/sessions.rs"
            "A command that was proposed again after a change of leader is executed again."
        41 DefiniteErrorForUnknownOutcome "definite-error-for-unknown-outcome" "server/pending.rs"
            "A client is told that a write failed which may still happen."
    }
    "Honest reads" {
        39 ReadsFromOwnMemory "reads-from-own-memory" "raft/read.rs"
            "A leader answers reads without asking whether it still leads."
        40 ReadBeforeOwnCommit "read-before-own-commit" "raft/read.rs"
            "A new leader answers reads before an entry of its own term is committed."
    }
    "Calm clusters" {
        44 ReturningNodeDisrupts "returning-node-disrupts" "raft/election.rs"
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

/// How a room's tests show that they can fail.
#[cfg(test)]
pub(crate) mod killing {
    use std::cell::Cell;
    use std::collections::BTreeSet;
    use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
    use std::sync::Once;

    use super::{Mutant, let_live};

    /// A mutant, and a test that fails while it lives, with its name.
    pub(crate) type Killer = (Mutant, &'static str, fn());

    /// Pairs mutants with tests: `killers![OldVoteCounted by elections::a_vote_of_an_older_term_does_not_count]`.
    macro_rules! killers {
        ($($mutant:ident by $($test:ident)::+),* $(,)?) => {
            &[$(($crate::mutants::Mutant::$mutant, stringify!($($test)::+), $($test)::+ as fn())),*]
        };
    }
    pub(crate) use killers;

    thread_local! {
        static IS_EXPECTED: Cell<bool> = const { Cell::new(false) };
    }

    /// Whether the test panics while the mutant lives. The panic itself is no news, so nothing is printed.
    pub(crate) fn is_killed(mutant: Mutant, test: impl FnOnce()) -> bool {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = take_hook();
            set_hook(Box::new(move |panic| {
                if !IS_EXPECTED.get() {
                    before(panic);
                }
            }));
        });
        let _alive = let_live(mutant);
        IS_EXPECTED.set(true);
        let outcome = catch_unwind(AssertUnwindSafe(test));
        IS_EXPECTED.set(false);
        outcome.is_err()
    }

    /// Each of these tests fails while its mutant lives and passes without it, and each mutant of the room has one.
    pub(crate) fn assert_all_killed(room: &str, killers: &[Killer]) {
        for (mutant, name, test) in killers {
            test();
            let name: String = name.split_whitespace().collect();
            assert!(is_killed(*mutant, test), "{mutant} survives {name}");
        }
        let killed: BTreeSet<Mutant> = killers.iter().map(|(mutant, ..)| *mutant).collect();
        let of_room = Mutant::ALL.iter().copied().filter(|mutant| mutant.file().starts_with(room));
        assert_eq!(killed, of_room.collect());
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
    fn every_mutant_is_consulted_in_its_file_and_its_room_has_a_list_of_killers() {
        let src = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        for mutant in Mutant::ALL {
            let code = std::fs::read_to_string(src.join(mutant.file())).unwrap();
            assert!(code.contains(&format!("mutants::is(Mutant::{mutant:?})")), "{mutant}");
            let room = mutant.file().split('/').next().unwrap();
            assert!(["raft", "wal", "store", "server"].contains(&room), "{room} kills no mutants");
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
