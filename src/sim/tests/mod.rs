//! What no file of this room can test by itself: whole runs.

mod crashes;
mod seeds;
