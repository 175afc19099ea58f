//! The wal room.
