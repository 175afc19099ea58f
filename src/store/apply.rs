//! Applying: how an entry of the log becomes the next state.
//!
//! Everything in here must come out the same on every member: no clock, no chance, nothing of this member's own.

use super::command::{Applied, Command, DeleteRange, Operation, Put, Reply, Skipped};
use super::error::{OutOfOrder, StoreError};
use super::key_value::Revision;
use super::sessions::{Outcome, Verdict};
use super::state::Store;
use crate::raft::Index;

impl Store {
    // ANCHOR: apply
    /// Applies the command of the log's next entry, and tells watchers.
    ///
    /// A command that cannot be decoded, or for which nobody waits, is passed over, on every member alike.
    ///
    /// # Errors
    /// If `index` does not follow [`Store::applied_index`]. Nothing is changed then.
    pub fn apply(&mut self, index: Index, command: &[u8]) -> Result<Applied, OutOfOrder> {
        self.note_applied(index)?;
        let command = match Command::decode(command) {
            Ok(command) => command,
            Err(error) => {
                let skipped = Some(Skipped::Undecodable(error.to_string()));
                return Ok(Applied { id: None, result: None, skipped });
            }
        };
        let id = Some(command.id);
        Ok(match self.sessions.admit(command.id, command.done_below) {
            Verdict::Execute => {
                let result = self.execute(command);
                Applied { id, result: Some(result), skipped: None }
            }
            Verdict::Repeated(outcome) => {
                let result = self.answer_again(&command.operation, outcome);
                Applied { id, result: Some(result), skipped: None }
            }
            Verdict::Skip(reason) => Applied { id, result: None, skipped: Some(reason) },
        })
    }
    // ANCHOR_END: apply

    /// Passes the log's next entry, which holds no command.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub fn note_applied(&mut self, index: Index) -> Result<(), OutOfOrder> {
        let expected = Index::after(self.applied);
        if index != expected {
            return Err(OutOfOrder { expected, given: Some(index) });
        }
        self.applied = Some(index);
        Ok(())
    }

    fn execute(&mut self, command: Command) -> Result<Reply, StoreError> {
        let before = self.revision();
        let result = command.operation.validate().and_then(|()| match command.operation {
            Operation::Put(put) => self.put(put),
            Operation::DeleteRange(delete) => Ok(self.delete_range(delete)),
            Operation::PublishMember(attributes) => {
                self.members.insert(attributes.id, attributes);
                Ok(Reply::PublishMember { revision: before })
            }
        });
        let outcome = match &result {
            Ok(reply) if reply.revision() > before => Outcome::Changed(reply.revision()),
            Ok(_) => Outcome::Unchanged(before),
            Err(error) => Outcome::Failed(error.clone()),
        };
        self.sessions.remember(command.id, outcome);
        if self.revision() > before {
            self.watchers.publish(&self.history);
        }
        result
    }

    fn put(&mut self, put: Put) -> Result<Reply, StoreError> {
        if let Some(lease) = put.lease {
            return Err(StoreError::LeaseNotFound { lease });
        }
        let before = self.history.key(&put.key).and_then(|versions| versions.newest().live.as_ref());
        let (mut value, mut lease) = (put.value, put.lease);
        if put.ignore_value || put.ignore_lease {
            let before = before.ok_or(StoreError::KeyNotFound)?;
            if put.ignore_value {
                value = before.value.clone();
            }
            if put.ignore_lease {
                lease = before.lease;
            }
        }
        let prev_kv = put.prev_kv.then(|| self.history.get(&put.key, self.revision())).flatten();
        let revision = self.history.write(|writer| {
            writer.put(put.key, value, lease);
            writer.revision()
        });
        Ok(Reply::Put { revision, prev_kv })
    }

    fn delete_range(&mut self, delete: DeleteRange) -> Reply {
        let there = self.history.keys_in(&delete.range).filter_map(|(key, versions)| {
            let newest = versions.newest();
            newest.live.as_ref().map(|live| (key, live, newest.mod_revision))
        });
        let mut keys = Vec::new();
        let mut prev_kvs = Vec::new();
        for (key, live, mod_revision) in there {
            keys.push(key.clone());
            if delete.prev_kv {
                prev_kvs.push(live.key_value(key, mod_revision));
            }
        }
        let deleted = keys.len() as u64;
        self.history.write(|writer| keys.into_iter().for_each(|key| writer.delete(key)));
        Reply::DeleteRange { revision: self.revision(), deleted, prev_kvs }
    }

    /// Gives the answer of a request that was executed before, from what the history knows of that time.
    fn answer_again(&self, operation: &Operation, outcome: Outcome) -> Result<Reply, StoreError> {
        match (operation, outcome) {
            (_, Outcome::Failed(error)) => Err(error),
            (Operation::Put(put), Outcome::Changed(revision)) => {
                self.needs_before(put.prev_kv, revision)?;
                let prev_kv = put.prev_kv.then(|| self.history.get_before(&put.key, revision)).flatten();
                Ok(Reply::Put { revision, prev_kv })
            }
            (Operation::DeleteRange(delete), Outcome::Changed(revision)) => {
                self.needs_before(delete.prev_kv, revision)?;
                let keys = self.history.changes_at(revision);
                if keys.is_empty() {
                    return Err(StoreError::AlreadyExecuted { revision });
                }
                let before = keys.iter().filter_map(|key| self.history.get_before(key, revision));
                let prev_kvs = if delete.prev_kv { before.collect() } else { Vec::new() };
                Ok(Reply::DeleteRange { revision, deleted: keys.len() as u64, prev_kvs })
            }
            (Operation::DeleteRange(_), Outcome::Unchanged(revision)) => {
                Ok(Reply::DeleteRange { revision, deleted: 0, prev_kvs: Vec::new() })
            }
            (Operation::PublishMember(_), Outcome::Unchanged(revision)) => {
                Ok(Reply::PublishMember { revision })
            }
            // The id was used for another operation, which no member does: say what is known, execute nothing.
            (Operation::Put(_), Outcome::Unchanged(revision))
            | (Operation::PublishMember(_), Outcome::Changed(revision)) => {
                Err(StoreError::AlreadyExecuted { revision })
            }
        }
    }

    /// Whether the answer rests on the state just before `revision`, and that is gone.
    fn needs_before(&self, needed: bool, revision: Revision) -> Result<(), StoreError> {
        if needed && revision <= self.history.oldest() {
            return Err(StoreError::AlreadyExecuted { revision });
        }
        Ok(())
    }
}
