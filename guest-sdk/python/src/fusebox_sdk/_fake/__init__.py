"""The host of a test: it keeps what the action did, and refuses as the real one does."""
