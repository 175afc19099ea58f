//! What clients asked and what they were told, in the order in which it happened: the evidence that
//! [`linearizability`](super::linearizability) judges.
//!
//! Whoever records a history calls [`History::begin`] when a client sends a request, and [`History::answer`] or
//! [`History::fail`] when it is told the outcome. A request of which nothing more is heard stays open: it may have taken
//! effect, may do so at any later moment, or never. Every call gets the next order number, so that two operations overlap
//! exactly if neither was answered before the other began.

use std::fmt;

use bytes::Bytes;

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Held {
    /// The value.
    pub value: Bytes,
    /// How many puts there were since the key came to be; the first makes it 1.
    pub version: u64,
}

/// What a client asks of one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// Put this value.
    Put(Bytes),
    /// Tell the value.
    Get,
    /// Delete the key.
    Delete,
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The value was put.
    Put {
        /// What the key held before.
        previous: Previous,
    },
    /// The key holds this, or nothing.
    Get(Option<Held>),
    /// The key is not there any more.
    Delete {
        /// Whether it was there before.
        existed: bool,
    },
}

/// What the answer to a put says about the time before it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Previous {
    /// Nothing: the client did not ask.
    NotTold,
    /// The key held this, or nothing.
    Told(Option<Held>),
}

/// What became of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nobody knows. It may take effect at any moment after its beginning, or never.
    Unknown,
    /// It took effect before this.
    Answered {
        /// The order number of the answer.
        at: u64,
        /// The answer.
        answer: Answer,
    },
    /// It did not take effect and never will.
    Failed,
}

/// Names an operation of one history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(usize);

/// One request of a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operation {
    /// Who asked; for people, no rule rests on it.
    pub client: u64,
    /// The key.
    pub key: Bytes,
    /// What was asked.
    pub call: Call,
    /// The order number of its beginning.
    pub began: u64,
    /// What became of it.
    pub outcome: Outcome,
}

impl Operation {
    /// The order number of its answer, if it has one.
    pub fn answered(&self) -> Option<u64> {
        match self.outcome {
            Outcome::Answered { at, .. } => Some(at),
            Outcome::Unknown | Outcome::Failed => None,
        }
    }
}

/// All operations of a run, in the order in which they began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    operations: Vec<Operation>,
    clock: u64,
}

impl History {
    /// A history in which nothing has happened.
    pub fn new() -> History {
        History::default()
    }

    /// A client sends a request.
    pub fn begin(&mut self, client: u64, key: impl Into<Bytes>, call: Call) -> OperationId {
        let began = self.next_order_number();
        self.operations.push(Operation { client, key: key.into(), call, began, outcome: Outcome::Unknown });
        OperationId(self.operations.len() - 1)
    }

    /// A client is told that its request took effect. Only the first news of an operation counts.
    pub fn answer(&mut self, id: OperationId, answer: Answer) {
        let at = self.next_order_number();
        self.settle(id, Outcome::Answered { at, answer });
    }

    /// A client is told for certain that its request did not take effect and never will.
    pub fn fail(&mut self, id: OperationId) {
        self.settle(id, Outcome::Failed);
    }

    /// The operations, in the order in which they began.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    fn settle(&mut self, id: OperationId, outcome: Outcome) {
        if let Some(operation) = self.operations.get_mut(id.0)
            && operation.outcome == Outcome::Unknown
        {
            operation.outcome = outcome;
        }
    }

    fn next_order_number(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

/// `"a" (version 3)`, or `nothing`.
pub(super) fn held_text(held: Option<&Held>) -> String {
    held.map_or_else(
        || "nothing".to_owned(),
        |held| format!("{} (version {})", text(&held.value), held.version),
    )
}

fn text(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}..", self.began)?;
        if let Some(at) = self.answered() {
            write!(f, "{at}")?;
        }
        write!(f, "] client {}: ", self.client)?;
        match &self.call {
            Call::Put(value) => write!(f, "put {}", text(value))?,
            Call::Get => write!(f, "get")?,
            Call::Delete => write!(f, "delete")?,
        }
        match &self.outcome {
            Outcome::Unknown => write!(f, ", outcome unknown"),
            Outcome::Failed => write!(f, ", failed"),
            Outcome::Answered { answer: Answer::Put { previous: Previous::NotTold }, .. } => {
                write!(f, ", done")
            }
            Outcome::Answered { answer: Answer::Put { previous: Previous::Told(previous) }, .. } => {
                write!(f, ", done; before: {}", held_text(previous.as_ref()))
            }
            Outcome::Answered { answer: Answer::Get(held), .. } => {
                write!(f, " -> {}", held_text(held.as_ref()))
            }
            Outcome::Answered { answer: Answer::Delete { existed: true }, .. } => write!(f, ", done"),
            Outcome::Answered { answer: Answer::Delete { existed: false }, .. } => {
                write!(f, ", there was nothing")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_news_of_an_operation_counts() {
        let mut history = History::new();
        let put = history.begin(1, "x", Call::Put("a".into()));
        let get = history.begin(2, "x", Call::Get);
        history.fail(put);
        history.answer(put, Answer::Put { previous: Previous::NotTold });
        history.answer(get, Answer::Get(None));
        let outcomes: Vec<&Outcome> =
            history.operations().iter().map(|operation| &operation.outcome).collect();
        assert_eq!(outcomes[0], &Outcome::Failed);
        assert_eq!(outcomes[1], &Outcome::Answered { at: 4, answer: Answer::Get(None) });
    }

    #[test]
    fn an_operation_reads_as_a_line() {
        let mut history = History::new();
        let put = history.begin(1, "x", Call::Put("a".into()));
        let get = history.begin(2, "x", Call::Get);
        history.answer(get, Answer::Get(Some(Held { value: "a".into(), version: 1 })));
        assert_eq!(history.operations()[put.0].to_string(), "[1..] client 1: put \"a\", outcome unknown");
        assert_eq!(history.operations()[get.0].to_string(), "[2..3] client 2: get -> \"a\" (version 1)");
    }
}
