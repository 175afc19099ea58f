//! What no single file of the store can test.
